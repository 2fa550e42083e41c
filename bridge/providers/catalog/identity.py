"""Rows: sign-in and identity. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    NOTHING_SIGNED,
    PLAIN_200,
    SIGNS_ID_TIME_BODY,
    SVIX_ID,
    SVIX_RETRIES,
    WHSEC_HINT,
    standard_webhooks,
    svix,
)
from bridge.providers.handshakes.general import okta_verification
from bridge.providers.model import EventBatch, Handshake, Provider, Reply, Sample
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

SVIX = {"svix-id": "msg_{id}", "user-agent": "Svix-Webhooks/1.76.1"}

ROWS = (
    Provider(
        name="auth0",
        title="Auth0 log streams",
        scheme=SharedToken(at="header:Authorization"),
        event_type=("body:data.type",),
        event_id=("body:log_id",),
        batch=EventBatch(),
        secret_hint=(
            "any long random text; flowbridge generates one, enter it at Auth0 as"
            " Authorization Token"
        ),
        generates_secret=True,
        setup=(
            "In the Auth0 Dashboard open Monitoring → Streams → Create Log Stream → Custom Webhook."
            " Paste the URL as Payload URL, enter the secret as Authorization Token, and choose"
            " content type application/json and the format JSON Array."
        ),
        docs="https://auth0.com/docs/customize/log-streams/custom-log-streams",
        evidence="docs",
        retries="A failed batch is retried a few times; a stream that keeps failing is paused.",
        signs="Nothing: requests carry the token.",
        limits=NOTHING_SIGNED,
        samples=(Sample("s", "login.json"),),
    ),
    Provider(
        name="workos",
        title="WorkOS",
        scheme=Hmac(
            at="header:WorkOS-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", "ms", 180),
        ),
        event_type=("body:event",),
        event_id=("body:id",),
        ack=PLAIN_200,
        secret_hint="the endpoint's signing secret, from WorkOS",
        generates_secret=False,
        setup=(
            "In the WorkOS Dashboard open Webhooks → Create Webhook, paste the URL, and choose"
            " the events. Copy the signing secret to .env; Send test event tests it."
        ),
        docs="https://workos.com/docs/events/data-syncing/webhooks",
        evidence="sdk",
        retries="Retried with increasing delays for up to three days.",
        signs="The time and the body, joined by a dot.",
        samples=(Sample("dsync.user.created", "dsync.user.created.json"),),
    ),
    Provider(
        name="okta",
        title="Okta event hooks",
        scheme=SharedToken(at="header:Authorization"),
        event_type=("body:eventType",),
        event_id=("body:uuid",),
        batch=EventBatch("data.events", keep=("eventId", "source")),
        handshakes=(Handshake(okta_verification, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint=(
            "any long random text; flowbridge generates one, enter it at Okta as"
            " Authentication secret"
        ),
        generates_secret=True,
        setup=(
            "In the Okta Admin Console open Workflow → Event Hooks → Create Event Hook. Paste the"
            " URL, enter Authorization as Authentication field and the secret as Authentication"
            " secret, and choose the events. Save, and press Verify: flowbridge answers Okta's"
            " test."
        ),
        docs="https://developer.okta.com/docs/concepts/event-hooks/",
        evidence="docs",
        retries="Retried once, unless there is a valid answer in time.",
        answer_within="3 s",
        signs="Nothing: requests carry the secret.",
        limits=NOTHING_SIGNED,
        samples=(Sample("user.lifecycle.create", "user.lifecycle.create.json"),),
    ),
    Provider(
        name="clerk",
        title="Clerk",
        scheme=svix(),
        event_type=("body:type",),
        event_id=SVIX_ID,
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In the Clerk Dashboard open Configure → Webhooks → Add Endpoint, paste the URL, and"
            " choose the events. Copy the Signing Secret (whsec_…) to .env."
        ),
        docs="https://clerk.com/docs/guides/development/webhooks/overview",
        evidence="docs",
        retries=SVIX_RETRIES,
        answer_within="15 s",
        signs=SIGNS_ID_TIME_BODY,
        api_key_starts=("sk_test_", "sk_live_", "pk_test_", "pk_live_"),
        samples=(Sample("user.created", "user.created.json", SVIX),),
    ),
    Provider(
        name="stytch",
        title="Stytch",
        scheme=svix(),
        event_type=(JoinedLocators(("body:object_type", "body:action"), by="."),),
        event_id=SVIX_ID,
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In the Stytch Dashboard open Webhooks → Add endpoint, paste the URL, and choose the"
            " events. Copy the signing secret (whsec_…) to .env."
        ),
        docs="https://stytch.com/docs/guides/webhooks",
        evidence="docs",
        retries=SVIX_RETRIES,
        answer_within="15 s",
        signs=SIGNS_ID_TIME_BODY,
        samples=(Sample("user.CREATE", "user.create.json", SVIX),),
    ),
    Provider(
        name="supabase_auth",
        title="Supabase Auth hooks",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:email_data.email_action_type", "body:metadata.name"),
        event_id=("header:webhook-id",),
        ack=Reply(body=b"{}"),  # the hook waits for it
        secret_hint="v1,whsec_… and base64, from Supabase",
        generates_secret=False,
        setup=(
            "In the Supabase Dashboard open Authentication → Hooks → Add hook, choose one such as"
            " Send Email, choose HTTPS, and paste the URL. Generate the secret there, and copy"
            " all of it to .env."
        ),
        docs="https://supabase.com/docs/guides/auth/auth-hooks",
        evidence="docs",
        retries="Retried up to three times after a 429 or 503 with Retry-After.",
        answer_within="5 s",
        signs=SIGNS_ID_TIME_BODY,
        limits=(
            "Sign-in waits for the answer, which is always an empty object: use hooks that make"
            " no decision, such as Send Email."
        ),
        samples=(Sample("signup", "send_email.json", {"webhook-id": "{id}"}),),
    ),
    Provider(
        name="supabase_db",
        title="Supabase database webhooks",
        scheme=SharedToken(at="header:Authorization", prefix="Bearer "),
        event_type=(JoinedLocators(("body:table", "body:type"), by="."),),
        secret_hint=(
            "any long random text; flowbridge generates one, it goes into a header of the webhook"
        ),
        generates_secret=True,
        setup=(
            "In the Supabase Dashboard open Integrations → Database Webhooks → Create a new hook,"
            " choose the table and the events, HTTP Request, POST, and paste the URL. Add the"
            " header Authorization with the value “Bearer SECRET”."
        ),
        docs="https://supabase.com/docs/guides/database/webhooks",
        evidence="docs",
        retries="Sent once, by pg_net; the answers are in the table net._http_response.",
        answer_within="the hook's own timeout",
        signs="Nothing: requests carry the token.",
        limits=NOTHING_SIGNED + " There is no id: a repeated request is a new event.",
        custom_payload=True,
        samples=(Sample("orders.INSERT", "insert.json"),),
    ),
)
