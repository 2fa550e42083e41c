"""URL tests of senders. Pure.

Only short, printable text of the documented form is echoed, under a type that no browser renders.
If a test asks for a digest with the secret, we sign only text that can never be an event, or only
after the request itself was verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest

import orjson
from itsdangerous.signer import HMACAlgorithm

from bridge.core.locators import FORM_MEDIA_TYPES, query_value
from bridge.core.model import JSON
from bridge.providers.model import Probe, Reply
from bridge.providers.signatures.encodings import to_base64

MAX_ECHO_CHARACTERS = 2048  # characters of a challenge that is sent back
NOSNIFF = {"X-Content-Type-Options": "nosniff"}
HMAC_SHA256 = HMACAlgorithm(sha256)
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
WORD = re.compile(r"[A-Za-z0-9_-]{1,200}")
CRC_TOKEN = re.compile(r"[A-Za-z0-9_.=+/-]{1,200}")
ORIGIN = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


def text_reply(value: object, status: int = 200) -> Reply | None:
    """Return a text response; None if the value is not a text, too long, or not printable."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= MAX_ECHO_CHARACTERS
        or not value.isprintable()
    ):
        return None
    return Reply(status, "text/plain; charset=utf-8", value.encode(), NOSNIFF)


def json_reply(value: JSON) -> Reply:
    """Return a JSON response."""
    return Reply(body=orjson.dumps(value), headers=NOSNIFF)


def confirm_url(probe: Probe) -> Reply | None:  # noqa: ARG001 - the answer is always the same
    """Answer a HEAD or GET that only asks whether the URL exists."""
    return Reply(content_type="text/plain; charset=utf-8", headers=NOSNIFF)


def confirm_empty_batch(key: str) -> Callable[[Probe], Reply | None]:
    """Return a handshake that confirms an empty batch under `key` (`""`: the body is the list)."""

    def answer(probe: Probe) -> Reply | None:
        batch = probe.body.get(key) if key and isinstance(probe.body, dict) else probe.body
        return confirm_url(probe) if batch == [] else None

    return answer


def slack_challenge(probe: Probe) -> Reply | None:
    """Echo Slack's `challenge`.

    Spec: https://docs.slack.dev/reference/events/url_verification
    """
    if (
        probe.request.content_type in FORM_MEDIA_TYPES
        or not isinstance(probe.body, dict)
        or probe.body.get("type") != "url_verification"
    ):
        return None
    challenge = probe.body.get("challenge")
    return (
        json_reply({"challenge": challenge})
        if isinstance(challenge, str) and len(challenge) <= MAX_ECHO_CHARACTERS
        else None
    )


def zoom_validation(probe: Probe) -> Reply | None:
    """Sign Zoom's `plainToken`, only after verification, since any request could ask for it.

    Spec: https://developers.zoom.us/docs/api/webhooks/
    """
    if not isinstance(probe.body, dict) or probe.body.get("event") != "endpoint.url_validation":
        return None
    payload = probe.body.get("payload")
    token = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not WORD.fullmatch(token) or not probe.secrets:
        return None
    return json_reply(
        {"plainToken": token, "encryptedToken": _digest(probe.secrets[0], token).hex()}
    )


def verify_token(secret: str) -> str:
    """Return the Verify Token for a secret.

    It travels in a URL, so it must not reveal the secret.
    """
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def hub_challenge(probe: Probe) -> Reply | None:
    """Echo Meta's `hub.challenge` if the request has our Verify Token.

    Spec: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
    """
    query = probe.request.query_string
    if query_value(query, "hub.mode") != "subscribe":
        return None
    token = query_value(query, "hub.verify_token") or ""
    challenge = query_value(query, "hub.challenge") or ""
    if not any(
        compare_digest(token.encode(errors="replace"), verify_token(secret).encode())
        for secret in probe.secrets
    ):
        return None
    return text_reply(challenge) if WORD.fullmatch(challenge) else None


def x_crc(probe: Probe) -> Reply | None:
    """Sign X's `crc_token`.

    X signs events in the same way, so a body that could be a token is not accepted as an event
    (`given_away` of the row). Spec: https://docs.x.com/x-api/webhooks/quickstart
    """
    token = query_value(probe.request.query_string, "crc_token") or ""
    if not CRC_TOKEN.fullmatch(token) or not probe.secrets:
        return None
    return json_reply({"response_token": "sha256=" + to_base64(_digest(probe.secrets[0], token))})


def linkedin_challenge(probe: Probe) -> Reply | None:
    """Sign LinkedIn's `challengeCode`.

    Spec: https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation
    """
    code = query_value(probe.request.query_string, "challengeCode") or ""
    if not UUID.fullmatch(code) or not probe.secrets:
        return None
    return json_reply(
        {"challengeCode": code, "challengeResponse": _digest(probe.secrets[0], code).hex()}
    )


def twitch_challenge(probe: Probe) -> Reply | None:
    """Echo Twitch's `challenge`.

    Spec: https://dev.twitch.tv/docs/eventsub/handling-webhook-events/
    """
    if probe.request.headers.get("twitch-eventsub-message-type") != "webhook_callback_verification":
        return None
    return text_reply(probe.body.get("challenge")) if isinstance(probe.body, dict) else None


def okta_verification(probe: Probe) -> Reply | None:
    """Echo Okta's verification challenge.

    Spec: https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request
    """
    challenge = probe.request.headers.get("x-okta-verification-challenge")
    return json_reply({"verification": challenge}) if text_reply(challenge) else None


def graph_validation(probe: Probe) -> Reply | None:
    """Echo the `validationToken` of Microsoft Graph.

    Spec: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
    """
    return text_reply(query_value(probe.request.query_string, "validationToken"))


def query_challenge(probe: Probe) -> Reply | None:
    """Echo the query parameter `challenge` (Nylas).

    Spec: https://developer.nylas.com/docs/v3/notifications/
    """
    return text_reply(query_value(probe.request.query_string, "challenge"))


def event_grid_validation(probe: Probe) -> Reply | None:
    """Echo the `validationCode` of Azure Event Grid.

    Spec:
    https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
    """
    event = probe.body[0] if isinstance(probe.body, list) and len(probe.body) == 1 else None
    if (
        not isinstance(event, dict)
        or event.get("eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent"
    ):
        return None
    data = event.get("data")
    code = data.get("validationCode") if isinstance(data, dict) else None
    return json_reply({"validationResponse": code}) if text_reply(code) else None


def discord_ping(probe: Probe) -> Reply | None:
    """Answer Discord's ping of an interactions URL.

    Spec: https://docs.discord.com/developers/interactions/overview
    """
    return json_reply({"type": 1}) if _kind(probe.body) == 1 else None


def discord_event_ping(probe: Probe) -> Reply | None:
    """Answer Discord's ping of a URL for webhook events.

    Spec: https://docs.discord.com/developers/events/webhook-events
    """
    return Reply(204) if _kind(probe.body) == 0 else None


def cloudevents_options(probe: Probe) -> Reply | None:
    """Allow the origin of a CloudEvents sender to send events.

    Spec:
    https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
    """
    origin = probe.request.headers.get("webhook-request-origin", "")
    if not ORIGIN.fullmatch(origin):
        return None
    allowed: Mapping[str, str] = {
        "WebHook-Allowed-Origin": origin,
        "WebHook-Allowed-Rate": "*",
        "Allow": "POST",
    }
    return Reply(content_type="text/plain; charset=utf-8", headers={**NOSNIFF, **allowed})


def _kind(body: JSON) -> int | None:
    kind = body.get("type") if isinstance(body, dict) else None
    return kind if type(kind) is int else None


def _digest(secret: str, message: str) -> bytes:
    return HMAC_SHA256.get_signature(secret.encode("utf-8", "surrogateescape"), message.encode())
