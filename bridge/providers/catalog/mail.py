"""Rows: mail. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import URLENCODED, JoinedLocators
from bridge.core.units import MIB
from bridge.providers.catalog._shared import (
    CREDENTIAL_IN_URL,
    NOTHING_SIGNED,
    PLAIN_200,
    REPLAY_KNOWN_BY_ID,
    SIGNS_ID_TIME_BODY,
    SVIX_ID,
    SVIX_RETRIES,
    WHSEC_HINT,
    standard_webhooks,
    svix,
)
from bridge.providers.handshakes.general import confirm_empty_batch, confirm_url, query_challenge
from bridge.providers.model import EventBatch, Handshake, Provider, Sample
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken
from bridge.providers.signatures.timestamps import Timestamp

SENDGRID = "header:X-Twilio-Email-Event-Webhook"
POSTMARK_TIMES = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt", "Date")

ROWS = (
    Provider(
        name="sendgrid",
        title="Twilio SendGrid",
        scheme=Ecdsa(
            at=f"{SENDGRID}-Signature",
            signed="{timestamp}{body}",
            timestamp=Timestamp(f"{SENDGRID}-Timestamp", enforced=False),
        ),
        event_type=("body:event",),
        event_id=("body:sg_event_id",),
        batch=EventBatch(),
        secret_hint="base64, the Verification Key (a public key), from SendGrid",
        generates_secret=False,
        setup=(
            "In SendGrid open Settings → Mail Settings → Event Webhooks → Create new webhook,"
            " paste the URL as Post URL, choose the events, and under Security features enable"
            " Signed Event Webhook. Copy the Verification Key to .env."
        ),
        docs="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
        evidence="vector",
        retries="Retried with increasing delays for up to 24 hours.",
        signs="The time and the body, including its trailing newline.",
        limits=(
            "The time is signed, but because a retry may come a day later, flowbridge accepts a"
            " request of any age; duplicates are detected by the events' ids."
        ),
        api_key_starts=("SG.",),
        samples=(Sample("delivered", "delivered.json"),),
    ),
    Provider(
        name="mailgun",
        title="Mailgun",
        scheme=Hmac(
            at="body:signature.signature",
            signed="{timestamp}{json:signature.token}",
            timestamp=Timestamp("body:signature.timestamp", enforced=False),
        ),
        event_type=("body:event-data.event",),
        event_id=("body:signature.token",),  # it is signed, the event's own id is not
        ack=PLAIN_200,
        secret_hint="the account's HTTP webhook signing key, from Mailgun",
        generates_secret=False,
        setup=(
            "In Mailgun copy HTTP webhook signing key from Account → API security to .env. Under"
            " Send → Sending → Webhooks choose the domain and the event, and paste the URL."
        ),
        docs=(
            "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks"
        ),
        evidence="docs",
        retries=(
            "Retried after 10, 10, 15 and 30 minutes, then after 1, 2 and 4 hours, until the"
            " answer is 200; 406 ends it."
        ),
        signs="The time and a token in the body, but not the event.",
        limits=(
            "The event itself is not signed: someone who intercepts a request before it arrives"
            " could change the event, but each token is accepted once. Use HTTPS. Old"
            " webhooks, which send forms, are refused."
        ),
        fixed_objects=frozenset({"eventdata"}),
        samples=(Sample("delivered", "delivered.json"),),
    ),
    Provider(
        name="postmark",
        title="Postmark",
        scheme=BasicAuth(),
        event_type=("body:RecordType",),
        event_id=(
            JoinedLocators(
                ("body:RecordType", "body:MessageID", *(f"body:{name}?" for name in POSTMARK_TIMES))
            ),
            JoinedLocators(("body:MessageStream", "body:MessageID")),
        ),
        ack=PLAIN_200,
        secret_hint="user:password of your choice; flowbridge generates the password",
        generates_secret=True,
        setup=(
            "In Postmark open your server → the message stream → Webhooks → Add webhook. Paste"
            " the URL, enter user and password under Basic auth credentials, and choose the"
            " events. The secret is user:password."
        ),
        docs="https://postmarkapp.com/developer/webhooks/webhooks-overview",
        evidence="docs",
        retries=(
            "Bounces and inbound mail are retried ten times over some hours, other events after 1,"
            " 5 and 15 minutes; 403 ends it."
        ),
        signs="Nothing: requests carry user and password.",
        limits=NOTHING_SIGNED.replace("A token is", "User and password are"),
        samples=(Sample("Delivery", "delivery.json"), Sample("Bounce", "bounce.json")),
    ),
    Provider(
        name="resend",
        title="Resend",
        scheme=svix(),
        event_type=("body:type",),
        event_id=SVIX_ID,
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In Resend open Webhooks → Add Webhook, paste the URL, and choose the events. Open"
            " the webhook and copy its Signing Secret (whsec_…) to .env."
        ),
        docs="https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
        evidence="docs",
        retries=SVIX_RETRIES,
        answer_within="15 s",
        signs=SIGNS_ID_TIME_BODY,
        api_key_starts=("re_",),
        samples=(
            Sample(
                "email.delivered",
                "email.delivered.json",
                {"svix-id": "msg_{id}", "user-agent": "Svix-Webhooks/1.76.1"},
            ),
        ),
    ),
    Provider(
        name="mandrill",
        title="Mailchimp Transactional (Mandrill)",
        scheme=Hmac(
            at="header:X-Mandrill-Signature",
            algorithm="sha1",
            encoding="base64",
            signed="{url}{form_sorted:mandrill_events}",
        ),
        event_type=("body:event", "body:type"),
        event_id=(
            JoinedLocators(("body:event", "body:_id", "body:ts")),
            JoinedLocators(("body:type", "body:action", "body:reject.email", "body:ts")),
        ),
        body="form_payload:mandrill_events",
        batch=EventBatch(),
        handshakes=(
            Handshake(confirm_url, signed=False, methods=("HEAD",)),
            # signed with a key that everybody knows, and holds nothing
            Handshake(confirm_empty_batch(""), signed=False),
        ),
        ack=PLAIN_200,
        max_body=25 * MIB,
        secret_hint="the webhook's key, from Mandrill",
        generates_secret=False,
        setup=(
            "Set FLOWBRIDGE_PUBLIC_URL and start flowbridge: Mandrill signs the URL and tests it."
            " In Mandrill open Settings → Webhooks → Add a Webhook, choose the events, and paste"
            " the URL. Copy the Key of the webhook to .env."
        ),
        docs="https://mandrill.zendesk.com/hc/en-us/articles/205583257-How-to-Authenticate-Webhook-Requests",
        evidence="docs",
        retries="Retried with increasing delays.",
        signs="The URL as pasted, and the form's fields.",
        limits="FLOWBRIDGE_PUBLIC_URL must match the start of the pasted URL exactly. "
        + REPLAY_KNOWN_BY_ID,
        samples=(Sample("send", "send.json", {"user-agent": "Mandrill-Webhook/1.0"}, URLENCODED),),
    ),
    Provider(
        name="mailchimp",
        title="Mailchimp audiences",
        scheme=SharedToken(at="query:token"),
        event_type=("form:type",),
        dedup_body=True,
        handshakes=(Handshake(confirm_url, signed=False, methods=("GET", "HEAD")),),
        ack=PLAIN_200,
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "Start flowbridge: Mailchimp tests the URL. In Mailchimp open Audience → Settings →"
            " Webhooks → Create New Webhook, paste the URL with ?token=SECRET added to it, and"
            " choose the events."
        ),
        docs="https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/",
        evidence="docs",
        retries="Retried with increasing delays for a while.",
        answer_within="10 s",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL
        + " Events have no id; duplicates are detected by content, including the time fired_at.",
        samples=(Sample("subscribe", "subscribe.json", {"user-agent": "MailChimp"}, URLENCODED),),
    ),
    Provider(
        name="mailersend",
        title="MailerSend",
        scheme=Hmac(at="header:Signature"),
        event_type=("body:type",),
        event_id=("body:data.id",),
        secret_hint="the webhook's signing secret, from MailerSend",
        generates_secret=False,
        setup=(
            "In MailerSend open Email → Domains → Manage → Webhooks → Add webhook, paste the URL,"
            " and choose the events. Copy the signing secret to .env. MailerSend tests the URL"
            " when you save."
        ),
        docs="https://developers.mailersend.com/api/v1/webhooks.html",
        evidence="docs",
        retries="Retried a few times with increasing delays.",
        answer_within="a few seconds",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(Sample("activity.delivered", "activity.delivered.json"),),
    ),
    Provider(
        name="mailerlite",
        title="MailerLite",
        scheme=Hmac(at="header:Signature"),
        event_type=("body:event", "body:events.0.type"),
        secret_hint="the webhook's secret, from MailerLite",
        generates_secret=False,
        setup=(
            "In MailerLite open Integrations → Webhooks (or call POST /api/webhooks), give the"
            " URL and choose the events. Copy the secret to .env."
        ),
        docs="https://developers.mailerlite.com/docs/webhooks.html",
        evidence="docs",
        retries="Not documented in detail.",
        signs="The body.",
        limits=(
            "The format of a batch (batchable) is not confirmed, so one request is one event:"
            " leave it off. No id is used, and no time is signed."
        ),
        samples=(Sample("subscriber.created", "subscriber.created.json"),),
    ),
    Provider(
        name="customer_io",
        title="Customer.io",
        scheme=Hmac(
            at="header:X-CIO-Signature",
            signed="v0:{timestamp}:{body}",
            timestamp=Timestamp("header:X-CIO-Timestamp"),
        ),
        event_type=(JoinedLocators(("body:object_type", "body:metric"), by="."),),
        event_id=("body:event_id",),
        ack=PLAIN_200,
        secret_hint="the reporting webhook's signing key, from Customer.io",
        generates_secret=False,
        setup=(
            "In Customer.io open Integrations → Reporting Webhooks → Add Reporting Webhook, paste"
            " the URL, and choose the events. Copy the signing key to .env."
        ),
        docs="https://docs.customer.io/journeys/webhooks/",
        evidence="docs",
        retries="Retried with increasing delays for up to a week.",
        answer_within="4 s",
        signs="The version v0, the time and the body, joined by colons.",
        samples=(Sample("email.delivered", "email.delivered.json"),),
    ),
    Provider(
        name="nylas",
        title="Nylas",
        scheme=Hmac(at="header:X-Nylas-Signature"),
        event_type=("body:type",),
        event_id=("body:id",),
        handshakes=(Handshake(query_challenge, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint="the webhook's secret, shown once after the test of its URL",
        generates_secret=False,
        setup=(
            "Start flowbridge, then in the Nylas Dashboard open Notifications → Create webhook,"
            " paste the URL, and choose the triggers: Nylas tests the URL at once. Copy the"
            " webhook secret to .env. Leave compressed delivery off: it is not supported."
        ),
        docs="https://developer.nylas.com/docs/v3/notifications/",
        evidence="docs",
        retries="Retried twice; a URL that keeps failing is marked and finally disabled.",
        answer_within="10 s",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        samples=(Sample("message.created", "message.created.json"),),
    ),
    Provider(
        name="loops",
        title="Loops",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:eventName",),
        event_id=("header:webhook-id",),
        secret_hint=WHSEC_HINT,
        generates_secret=False,
        setup=(
            "In Loops open Settings → Webhooks, paste the URL as Endpoint URL, and choose the"
            " events. Copy the Signing secret (whsec_…) to .env."
        ),
        docs="https://loops.so/docs/webhooks",
        evidence="docs",
        retries=SVIX_RETRIES,
        signs=SIGNS_ID_TIME_BODY,
        samples=(Sample("email.delivered", "email.delivered.json", {"webhook-id": "{id}"}),),
    ),
)
