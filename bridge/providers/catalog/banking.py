"""Rows: banking and crypto. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    PLAIN_200,
    REPLAY_KNOWN_BY_ID,
    SIGNS_ID_TIME_BODY,
    standard_webhooks,
)
from bridge.providers.model import EventBatch, Provider, Sample
from bridge.providers.signatures.alternatives import HeaderSets
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwks import KeySet
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pins import Pin
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="gocardless",
        title="GoCardless",
        scheme=Hmac(at="header:Webhook-Signature"),
        event_type=(JoinedLocators(("body:resource_type", "body:action"), by="."),),
        event_id=("body:id",),
        batch=EventBatch("events"),
        secret_hint=(
            "the webhook endpoint's secret, from GoCardless, or any text that you enter there"
        ),
        generates_secret=True,
        setup=(
            "In the GoCardless dashboard open Developers → Create → Webhook endpoint, enter the"
            " URL and the secret. Each account, and the sandbox, has its own endpoints."
        ),
        docs=(
            "https://developer.gocardless.com/getting-started/api/staying-up-to-date-with-webhooks/"
        ),
        evidence="sdk",
        signs="The body.",
        answer_within="10 s",
        limits=REPLAY_KNOWN_BY_ID,
        retries="GoCardless tries up to 8 times with increasing delays, the whole batch each time.",
        samples=(
            Sample(
                "payments.confirmed",
                "payments.confirmed.json",
                {"user-agent": "gocardless-webhook-service/1.1"},
            ),
        ),
    ),
    Provider(
        name="qonto",
        title="Qonto",
        # Its two APIs sign in two ways, with secrets of their own; the first whose header is there
        # is the one that is checked.
        scheme=HeaderSets(
            sets=(
                (
                    "x-qonto-",
                    Hmac(
                        at="header:X-Qonto-Signature",
                        parse=Pairs("v1"),
                        signed="{t}.{body}",
                        timestamp=Timestamp("label:t"),
                    ),
                ),
                (
                    "qonto-",
                    # a body that begins with a time was signed by the scheme above
                    Hmac(at="header:Qonto-SHA256-Signature", given_away=r"(?s)[0-9]{10}\..*"),
                ),
            )
        ),
        event_type=("body:event_type", "body:type", "body:event"),
        event_id=("body:id", JoinedLocators(("body:data.id", "body:data.updated_at"))),
        secret_hint="the subscription's secret, from Qonto, or the one you gave it",
        generates_secret=True,
        setup=(
            "Create a webhook subscription with Qonto's API (POST /v2/webhook_subscriptions, one"
            " for each type of event) with the URL as callback_url, and copy the secret."
            " Subscriptions of the onboarding API work too."
        ),
        docs="https://docs.qonto.com/api-reference/business-api/webhooks/overview",
        evidence="vector",
        signs="Business API: the time and the body, joined by a dot. Onboarding API: the body.",
        answer_within="1 s",
        limits=(
            "The onboarding API signs no time: its requests can be replayed; duplicates are"
            " detected by id."
        ),
        retries="Retried; the schedule is in Qonto's documentation.",
        samples=(Sample("transactions.created", "transactions.created.json"),),
    ),
    Provider(
        name="revolut",
        title="Revolut (Merchant and Business)",
        scheme=Hmac(
            at="header:Revolut-Signature",
            parse=Pairs("v1"),
            signed="v1.{timestamp}.{body}",
            timestamp=Timestamp("header:Revolut-Request-Timestamp", "ms"),
        ),
        event_type=("body:event",),
        event_id=(
            JoinedLocators(("body:event", "body:order_id", "body:timestamp?")),
            JoinedLocators(("body:event", "body:data.id", "body:timestamp")),
        ),
        secret_hint="wsk_…, the webhook's signing secret, from Revolut",
        generates_secret=False,
        setup=(
            "Create a webhook with Revolut's API (Merchant: POST /api/webhooks, Business: POST"
            " /api/2.0/webhooks) with the URL and its events. The answer holds the signing secret"
            " (wsk_…)."
        ),
        docs="https://developer.revolut.com/docs/guides/merchant/monitor-and-observe/webhooks/verify-the-payload-signature",
        evidence="docs",
        signs="The version v1, the time and the body, joined by dots.",
        limits="A Merchant event has no id: the order and the type of event identify it.",
        retries="Revolut retries three times, 10 minutes apart.",
        samples=(Sample("ORDER_COMPLETED", "ORDER_COMPLETED.json"),),
    ),
    Provider(
        name="airwallex",
        title="Airwallex",
        scheme=Hmac(
            at="header:x-signature",
            signed="{timestamp}{body}",
            timestamp=Timestamp("header:x-timestamp", "ms"),
        ),
        event_type=("body:name",),
        event_id=("body:id",),
        ack=PLAIN_200,
        secret_hint=(
            "whsec_…, the notification URL's secret key (the whole text is the key), from Airwallex"
        ),
        generates_secret=False,
        setup=(
            "In Airwallex open Developer → Webhooks, add a webhook with the URL and choose its"
            " events. Copy the secret key that is shown for it."
        ),
        docs="https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events",
        evidence="docs",
        signs="The time and the body, concatenated.",
        answer_within="not documented, with a 200",
        retries="Airwallex retries for three days with increasing delays.",
        samples=(Sample("payment_intent.succeeded", "payment_intent.succeeded.json"),),
    ),
    Provider(
        name="dwolla",
        title="Dwolla",
        scheme=Hmac(at="header:X-Request-Signature-SHA-256"),
        event_type=("body:topic", "header:X-Dwolla-Topic"),
        event_id=("body:id",),
        secret_hint="any text; flowbridge generates one, pass it to Dwolla",
        generates_secret=True,
        setup=(
            "Create a webhook subscription with Dwolla's API (POST /webhook-subscriptions) with"
            " the URL and the secret. The event contains links: fetch the resource in the flow."
        ),
        docs="https://developers.dwolla.com/docs/balance/webhooks/process-validate",
        evidence="docs",
        signs="The body.",
        answer_within="10 s",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "Dwolla retries after 15 min, 45 min, 2, 3, 6, 12, 24 and 24 h, and pauses the"
            " subscription after 400 failures in a row."
        ),
        samples=(
            Sample(
                "transfer_completed",
                "transfer_completed.json",
                {"x-dwolla-topic": "transfer_completed"},
            ),
        ),
    ),
    Provider(
        name="plaid",
        title="Plaid",
        scheme=Jwt(
            at="header:Plaid-Verification",
            algorithm="ES256",
            body_hash="request_body_sha256",
            max_age=300,
            keys=KeySet(
                "https://{environment}.plaid.com/webhook_verification_key/get",
                ("client_id", "secret"),
                "key_id",
                "key",
            ),
            pins=(
                Pin(
                    "environment",
                    "which of Plaid's",
                    required=False,
                    choices=("production", "sandbox"),
                ),
            ),
        ),
        event_type=(JoinedLocators(("body:webhook_type", "body:webhook_code"), by="."),),
        secret_hint=(
            "client_id:secret from Plaid's dashboard, to fetch keys; or a pinned key (JWK)"
        ),
        generates_secret=False,
        setup=(
            "Give Plaid the URL as webhook when you create a link token (or with"
            " /item/webhook/update). In Plaid's dashboard open Developers → Keys: client_id and"
            " secret joined by a colon are the secret here. For the sandbox write pins:"
            " environment: sandbox."
        ),
        docs="https://plaid.com/docs/api/webhooks/webhook-verification/",
        evidence="docs",
        signs="The SHA-256 of the body and the time, in a token.",
        ack=PLAIN_200,
        answer_within="10 s, with a 200",
        limits=(
            "There is no id, and two events may look alike: no event is treated as a duplicate."
            " The token does not name the account: check the item_id in the flow."
        ),
        retries=(
            "Plaid retries after 30 seconds, and then with delays four times as long each time,"
            " for up to 24 hours."
        ),
        samples=(Sample("TRANSACTIONS.SYNC_UPDATES_AVAILABLE", "SYNC_UPDATES_AVAILABLE.json"),),
    ),
    Provider(
        name="coinbase_commerce",
        title="Coinbase Commerce",
        scheme=Hmac(at="header:X-CC-Webhook-Signature"),
        event_type=("body:event.type",),
        event_id=("body:event.id",),
        retry=("body:attempt_number",),
        ack=PLAIN_200,
        secret_hint="the webhook shared secret, from Coinbase Commerce",
        generates_secret=False,
        setup=(
            "In Coinbase Commerce open Settings → Notifications (Webhook subscriptions), add an"
            " endpoint with the URL, and press Show shared secret."
        ),
        docs="https://docs.cdp.coinbase.com/commerce/api-arcitecture/webhooks-security",
        evidence="sdk",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Coinbase retries for up to three days, waiting an hour at most.",
        samples=(Sample("charge:confirmed", "charge-confirmed.json"),),
    ),
    Provider(
        name="lithic",
        title="Lithic",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:event_type",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… and base64, the subscription's secret, from Lithic",
        generates_secret=False,
        setup=(
            "In the Lithic dashboard (or with POST /v1/event_subscriptions) add an event"
            " subscription with the URL and choose its events. Copy its secret (whsec_…)."
        ),
        docs="https://docs.lithic.com/docs/events-api",
        evidence="docs",
        signs=SIGNS_ID_TIME_BODY,
        retries=(
            "Lithic retries with increasing delays, and disables the endpoint after five days of"
            " failures."
        ),
        samples=(Sample("card.created", "card.created.json", {"webhook-id": "msg_{id}"}),),
    ),
    Provider(
        name="brex",
        title="Brex",
        scheme=standard_webhooks("webhook-"),
        event_type=("body:event_type",),
        event_id=("header:webhook-id",),
        secret_hint="base64, the secret of GET /v1/webhooks/secrets, from Brex",
        generates_secret=False,
        setup=(
            "Create a webhook with Brex's API (POST /v1/webhooks) with the URL and its event"
            " types, and fetch the secrets with GET /v1/webhooks/secrets; while Brex changes its"
            " secret there are two: put both into .env."
        ),
        docs="https://developer.brex.com/docs/webhooks/",
        evidence="unconfirmed",
        signs=SIGNS_ID_TIME_BODY,
        retries="Not documented.",
        samples=(
            Sample("TRANSFER_PROCESSED", "TRANSFER_PROCESSED.json", {"webhook-id": "msg_{id}"}),
        ),
    ),
)
