"""URL tests and secret deliveries of work tools, file stores and form services. Pure."""

from __future__ import annotations

import re
from hmac import compare_digest

from bridge.core.locators import query_value
from bridge.core.model import JSON
from bridge.providers.handshakes.commerce import safe_word
from bridge.providers.handshakes.general import json_reply, text_reply
from bridge.providers.model import DeliveredSecret, Probe, Reply

_SECRET = re.compile(r"[!-~]{8,256}")  # one word of printable ASCII: it goes into a header


def only_head(probe: Probe) -> Reply | None:
    """Confirm Trello's HEAD request; any 200 is accepted.

    Spec: https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
    """
    return Reply(200, "text/plain") if probe.request.method == "HEAD" else None


def monday_challenge(probe: Probe) -> Reply | None:
    """Echo monday's object that has a `challenge` and nothing else.

    Spec: https://developer.monday.com/api-reference/reference/webhooks
    """
    if not isinstance(probe.body, dict) or len(probe.body) != 1:
        return None
    challenge = safe_word(probe.body.get("challenge"))
    return json_reply({"challenge": challenge}) if challenge else None


def dropbox_challenge(probe: Probe) -> Reply | None:
    """Echo Dropbox's `?challenge=X` as text whose type browsers do not guess.

    Spec: https://www.dropbox.com/developers/reference/webhooks
    """
    return text_reply(safe_word(query_value(probe.request.query_string, "challenge")))


def front_challenge(probe: Probe) -> Reply | None:
    """Echo Front's header X-Front-Challenge as text.

    Spec: https://dev.frontapp.com/docs/application-webhooks
    """
    return text_reply(safe_word(probe.request.headers.get("x-front-challenge")))


def strava_challenge(probe: Probe) -> Reply | None:
    """Echo Strava's `hub.challenge` if the URL has the source's token.

    Spec: https://developers.strava.com/docs/webhooks/
    """
    query = probe.request.query_string
    token = query_value(query, "token") or ""
    challenge = safe_word(query_value(query, "hub.challenge"))
    is_known = any(
        compare_digest(token.encode(errors="replace"), secret.encode(errors="replace"))
        for secret in probe.secrets
    )
    return (
        json_reply({"hub.challenge": challenge})
        if is_known and challenge and query_value(query, "hub.mode") == "subscribe"
        else None
    )


def asana_heartbeat(probe: Probe) -> Reply | None:
    """Confirm Asana's heartbeat: a signed batch without events, sent every eight hours.

    Spec: https://developers.asana.com/docs/webhooks-guide
    """
    is_beat = isinstance(probe.body, dict) and probe.body.get("events") == []
    return Reply(200, "text/plain") if is_beat else None


def asana_secret(probe: Probe) -> DeliveredSecret | None:
    """Read Asana's secret from X-Hook-Secret, and echo that header.

    Spec: https://developers.asana.com/docs/webhooks-guide
    """
    secret = _secret(probe.request.headers.get("x-hook-secret"))
    if secret is None or "x-hook-signature" in probe.request.headers:
        return None
    return DeliveredSecret(secret, Reply(200, "text/plain", headers={"X-Hook-Secret": secret}))


def notion_token(probe: Probe) -> DeliveredSecret | None:
    """Read Notion's secret from an object that has a `verification_token` and nothing else.

    It signs all later requests. Spec: https://developers.notion.com/reference/webhooks
    """
    if not isinstance(probe.body, dict) or set(probe.body) != {"verification_token"}:
        return None
    secret = _secret(probe.body["verification_token"])
    return DeliveredSecret(secret, Reply(200, "text/plain")) if secret else None


def _secret(value: JSON) -> str | None:
    return value if isinstance(value, str) and _SECRET.fullmatch(value) else None
