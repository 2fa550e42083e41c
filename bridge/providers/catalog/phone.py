"""Rows: telephone, text messages and multi-channel notifications. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import URLENCODED, FirstOtherKey, JoinedLocators
from bridge.providers.catalog._shared import PLAIN_200
from bridge.providers.model import Provider, Reply, Sample
from bridge.providers.signatures.alternatives import HeaderSets
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.timestamps import Timestamp

TWILIO = {"user-agent": "TwilioProxy/1.1"}
SINCH = "x-sinch-webhook-signature"
SINCH_BESIDE = (
    "app_id",
    "accepted_time",
    "event_time",
    "project_id",
    "message_metadata",
    "correlation_id",
)


def twilio(algorithm: str) -> Scheme:
    """Twilio signs its URL with or without the port; of a body that is no form, the hash is in the
    URL.
    """
    return Hmac(
        at="header:X-Twilio-Signature",
        algorithm=algorithm,
        encoding="base64",
        signed=("{url}{form_sorted}", "{url_other_port}{form_sorted}"),
        body_sha256="query:bodySHA256",
    )


ROWS = (
    Provider(
        name="twilio",
        title="Twilio",
        # With a shared key of one's own Twilio says so in a header, and signs with SHA-256; else
        # with the Auth Token and SHA-1.
        scheme=HeaderSets(
            sets=(
                ("x-twilio-webhooks-signature-settings", twilio("sha256")),
                ("x-twilio-signature", twilio("sha1")),
            ),
            usual=1,
        ),
        event_type=("form:MessageStatus", "form:SmsStatus", "form:CallStatus", "body:type"),
        # of a body that is no form; not I-Twilio-Idempotency-Token, which is not signed
        event_id=("body:id",),
        ack=Reply(
            content_type="text/xml",
            body=b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>',
        ),
        secret_hint=(
            "32 hexadecimal characters, the account's Auth Token, or the secret of a shared key"
        ),
        generates_secret=False,
        setup=(
            "Set FLOWBRIDGE_PUBLIC_URL: the URL is signed. Copy Auth Token from the Twilio"
            " Console to .env. Under Phone Numbers → Manage → Active numbers choose a number, and"
            " paste the URL for calls or messages, with HTTP POST."
        ),
        docs="https://www.twilio.com/docs/usage/webhooks/webhooks-security",
        evidence="vector",
        retries="Not retried, unless the URL requests it (#rc=…); you can set a fallback URL.",
        answer_within="15 s",
        signs=(
            "The URL and the form's fields, with SHA-1; for other bodies the URL, which carries"
            " their SHA-256."
        ),
        limits=(
            "The answer is always an empty TwiML document: a call is answered and ended, a"
            " message gets no reply. No time is signed: duplicates are detected by all that is"
            " signed, so two requests with equal fields are one event. The signature does not"
            " separate a field's name from its value: an attacker who has seen a request could move"
            " letters between the two, but such a copy is a duplicate."
        ),
        samples=(
            Sample("received", "message.json", TWILIO, URLENCODED),
            Sample("ringing", "call.json", TWILIO, URLENCODED),
            Sample("delivered", "message-status.json", TWILIO, URLENCODED),
        ),
    ),
    Provider(
        name="telnyx",
        title="Telnyx",
        scheme=Ed25519(
            at="header:telnyx-signature-ed25519",
            encoding="base64",
            signed="{timestamp}|{body}",
            timestamp=Timestamp("header:telnyx-timestamp"),
        ),
        event_type=("body:data.event_type",),
        event_id=("body:data.id",),
        retry=("body:meta.attempt",),
        ack=PLAIN_200,
        secret_hint="base64, the account's Public Key, from Telnyx",
        generates_secret=False,
        setup=(
            "In the Telnyx portal copy Public Key from Account Settings → Keys & Credentials to"
            " .env. Paste the URL as webhook URL of a messaging profile or a voice application,"
            " with API version 2."
        ),
        docs=(
            "https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks"
        ),
        evidence="docs",
        retries="Retried a few times, then at the failover URL.",
        answer_within="2 s",
        signs="The time and the body, joined by a bar.",
        samples=(
            Sample("message.received", "message.received.json", {"user-agent": "telnyx-webhooks"}),
        ),
    ),
    Provider(
        name="sinch",
        title="Sinch Conversation API",
        scheme=Hmac(
            at=f"header:{SINCH}",
            encoding="base64",
            signed=f"{{body}}.{{h:{SINCH}-nonce}}.{{timestamp}}",
            timestamp=Timestamp(f"header:{SINCH}-timestamp"),
            requires=((f"header:{SINCH}-algorithm", "HmacSHA256"),),
        ),
        event_type=(FirstOtherKey(SINCH_BESIDE),),
        event_id=(f"header:{SINCH}-nonce",),
        ack=PLAIN_200,
        secret_hint=(
            "any long random text; flowbridge generates one, give it to Sinch with the webhook"
        ),
        generates_secret=True,
        setup=(
            "In the Sinch Build dashboard open Conversation API → Apps → your app → Webhooks → Add"
            " webhook, paste the URL as Target URL, enter the secret as Secret token, and choose"
            " the triggers."
        ),
        docs="https://developers.sinch.com/docs/conversation/callbacks",
        evidence="docs",
        retries="Retried with increasing delays.",
        signs="The body, a nonce and the time, joined by dots.",
        limits=(
            "The type is the key that holds the event, such as message or message_delivery_report."
        ),
        samples=(Sample("message", "message.json"),),
    ),
    Provider(
        name="knock",
        title="Knock",
        scheme=Hmac(
            at="header:x-knock-signature",
            parse=Pairs("s"),
            encoding="base64",
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", "ms"),
        ),
        event_type=("body:type",),
        event_id=("body:id",),
        ack=PLAIN_200,
        secret_hint="the webhook's signing key, from Knock",
        generates_secret=False,
        setup=(
            "In the Knock dashboard open Developers → Webhooks → Create webhook, paste the URL,"
            " and choose the events. Copy the signing key to .env."
        ),
        docs="https://docs.knock.app/developer-tools/outbound-webhooks/overview",
        evidence="docs",
        retries="Retried a few times with increasing delays.",
        signs="The time in milliseconds and the body, joined by a dot.",
        samples=(
            Sample(
                "message.delivered",
                "message.delivered.json",
                {"x-knock-event": "message.delivered"},
            ),
        ),
    ),
    Provider(
        name="courier",
        title="Courier",
        scheme=Hmac(
            at="header:courier-signature",
            parse=Pairs("signature"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", "ms"),
        ),
        event_type=("body:type",),
        event_id=(
            JoinedLocators(("body:type", "body:data.id", "body:data.status", "body:data.updated?")),
        ),
        secret_hint="the webhook's signing secret, from Courier",
        generates_secret=False,
        setup=(
            "In Courier open Settings → General and press + Outbound Webhook, paste the URL, and"
            " choose the events. Copy the signing secret to .env."
        ),
        docs="https://www.courier.com/docs/platform/workspace/outbound-webhooks",
        evidence="docs",
        retries=(
            "Retried after 5, 10, 20, 40, 60, 120, 240, 480, 720 and 900 s, then every 15 minutes,"
            " for up to three days."
        ),
        signs="The time and the body, joined by a dot.",
        samples=(Sample("message:updated", "message_updated.json"),),
    ),
)
