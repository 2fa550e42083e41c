"""Rows: models and agents. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    PLAIN_200,
    SIGNS_ID_TIME_BODY,
    WHSEC_HINT,
    standard_webhooks,
)
from bridge.providers.model import Provider, Sample
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="openai",
        title="OpenAI",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In the OpenAI platform's settings open your project → Webhooks → Create, paste the"
            " URL, and choose the events. The signing secret (whsec_…) is shown once: put it into"
            " .env."
        ),
        docs="https://platform.openai.com/docs/guides/webhooks",
        evidence="docs",
        retries="Retried with increasing delays for up to 72 hours.",
        answer_within="a few seconds",
        signs=SIGNS_ID_TIME_BODY,
        api_key_starts=("sk-",),
        samples=(
            Sample(
                "response.completed",
                "response.completed.json",
                {"webhook-id": "wh_{id}", "user-agent": "OpenAI/1.0"},
            ),
        ),
    ),
    Provider(
        name="gemini",
        title="Gemini API",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint="the signing secret, returned once by the call that creates the webhook",
        generates_secret=False,
        setup=(
            "Create a webhook with `client.webhooks.create(name=…, uri=URL,"
            " subscribed_events=[…])`, and put its new_signing_secret into .env."
        ),
        docs="https://ai.google.dev/gemini-api/docs/webhooks",
        evidence="docs",
        retries="Retried with increasing delays.",
        answer_within="a few seconds",
        signs=SIGNS_ID_TIME_BODY,
        limits=(
            "Only webhooks of a project (static ones) have a shared secret; dynamic ones are signed"
            " with a key pair and are refused."
        ),
        samples=(Sample("batch.succeeded", "batch.succeeded.json", {"webhook-id": "{id}"}),),
    ),
    Provider(
        name="replicate",
        title="Replicate",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:status",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… and base64, from Replicate's API",
        generates_secret=False,
        setup=(
            "Pass the URL as `webhook` when you create a prediction or training, and set"
            " webhook_events_filter. Fetch the signing secret from /v1/webhooks/default/secret"
            " and put it into .env."
        ),
        docs="https://replicate.com/docs/topics/webhooks/verify-webhook",
        evidence="docs",
        retries=(
            "The last call of a prediction is retried with increasing delays, earlier ones are not."
        ),
        signs=SIGNS_ID_TIME_BODY,
        api_key_starts=("r8_",),
        samples=(Sample("succeeded", "succeeded.json", {"webhook-id": "msg_{id}"}),),
    ),
    Provider(
        name="elevenlabs",
        title="ElevenLabs",
        scheme=Hmac(
            at="header:ElevenLabs-Signature",
            parse=Pairs("v0"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", "s", 1800),
        ),
        event_type=("body:type",),
        event_id=(
            JoinedLocators(("body:type", "body:data.conversation_id", "body:event_timestamp")),
        ),
        ack=PLAIN_200,
        secret_hint="wsec_…, shown once at creation",
        generates_secret=False,
        setup=(
            "In ElevenLabs open Developers → Webhooks → Create webhook, paste the URL, and choose"
            " HMAC. The secret is shown once: put it into .env, and choose the webhook in the"
            " agent's or workspace's settings."
        ),
        docs="https://elevenlabs.io/docs/overview/administration/webhooks",
        evidence="docs",
        retries="A webhook that fails ten times in a row, and for a week, is disabled.",
        signs="The time and the body, joined by a dot.",
        samples=(Sample("post_call_transcription", "post_call_transcription.json"),),
    ),
    Provider(
        name="retell",
        title="Retell AI",
        scheme=Hmac(
            at="header:X-Retell-Signature",
            parse=Pairs("d"),
            signed="{body}{label:v}",
            timestamp=Timestamp("label:v", "ms", 300),
        ),
        event_type=("body:event",),
        event_id=(
            JoinedLocators(("body:event", "body:call.call_id")),
            JoinedLocators(("body:event", "body:chat.chat_id")),
        ),
        secret_hint="the API key that has the webhook badge, from Retell",
        generates_secret=False,
        setup=(
            "In the Retell dashboard paste the URL under Webhooks for the account, or as the"
            " agent's webhook URL."
        ),
        docs="https://docs.retellai.com/features/secure-webhook",
        evidence="docs",
        retries="Retried up to three times.",
        answer_within="10 s",
        signs="The body and the time.",
        samples=(Sample("call_ended", "call_ended.json"),),
    ),
)
