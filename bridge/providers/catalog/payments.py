"""Rows: payment services. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import URLENCODED, JoinedLocators
from bridge.providers.catalog._shared import CREDENTIAL_IN_URL, PLAIN_200, REPLAY_KNOWN_BY_ID
from bridge.providers.handshakes.commerce import BRAINTREE_CHALLENGE, braintree_challenge
from bridge.providers.model import EventBatch, EventTypes, Handshake, Provider, Reply, Sample
from bridge.providers.signatures.certificates import SigningCertificate
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.pins import Pin
from bridge.providers.signatures.rsa import Rsa
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

STRIPE = {"user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
ADYEN_SIGNED = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)

ROWS = (
    Provider(
        name="stripe",
        title="Stripe",
        # Only v1 counts (v0 is for test mode), and the whole of whsec_… is the key, unlike Svix's.
        scheme=Hmac(
            at="header:Stripe-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t"),
        ),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="whsec_…, the endpoint's signing secret, from Stripe",
        generates_secret=False,
        setup=(
            "In the Stripe Dashboard open Developers → Webhooks, add an endpoint (destination)"
            " with the URL and choose the events, such as invoice.paid. Then reveal the"
            " endpoint's signing secret (whsec_…) and put it into .env. Each endpoint, and"
            " `stripe listen`, has its own secret."
        ),
        docs="https://docs.stripe.com/webhooks/signature",
        evidence="sdk",
        signs="The time and the body, joined by a dot.",
        retries="In live mode Stripe retries for up to three days, with increasing delays.",
        secret_starts=("whsec_",),
        api_key_starts=("sk_test_", "sk_live_", "rk_test_", "rk_live_", "pk_test_", "pk_live_"),
        event_types=EventTypes(docs="https://docs.stripe.com/api/events/types"),
        samples=(
            Sample("invoice.paid", "invoice.paid.json", STRIPE),
            Sample("checkout.session.completed", "checkout.session.completed.json", STRIPE),
            Sample("payment_intent.succeeded", "payment_intent.succeeded.json", STRIPE),
        ),
    ),
    Provider(
        name="paddle",
        title="Paddle Billing",
        scheme=Hmac(
            at="header:Paddle-Signature",
            parse=Pairs("h1", separator=";"),
            signed="{timestamp}:{body}",
            timestamp=Timestamp("label:ts", tolerance=5),
        ),
        event_type=("body:event_type",),
        event_id=("body:event_id",),
        ack=PLAIN_200,
        secret_hint="pdl_ntfset_…, the notification destination's secret key, from Paddle",
        generates_secret=False,
        setup=(
            "In Paddle open Developer Tools → Notifications, add a destination of type webhook"
            " with the URL and choose its events. Then open the destination, copy its secret key"
            " (pdl_ntfset_…) and put it into .env."
        ),
        docs="https://developer.paddle.com/webhooks/signature-verification",
        evidence="vector",
        signs="The time and the body, joined by a colon.",
        answer_within="5 s, with a 200",
        limits=(
            "A request may be 5 seconds old, as in Paddle's own libraries: keep this machine's"
            " clock set."
        ),
        retries=(
            "In live mode Paddle tries up to 60 times in 3 days, in the sandbox 3 times in 15"
            " minutes."
        ),
        secret_starts=("pdl_ntfset_",),
        api_key_starts=("pdl_live_apikey_", "pdl_sdbx_apikey_"),
        samples=(Sample("transaction.completed", "transaction.completed.json"),),
    ),
    Provider(
        name="lemon_squeezy",
        title="Lemon Squeezy",
        scheme=Hmac(at="header:X-Signature"),
        # the header says the same, and is not signed
        event_type=("body:meta.event_name", "header:X-Event-Name"),
        dedup_body=True,  # a retry sends the same bytes; two events differ at least in updated_at
        ack=PLAIN_200,
        secret_hint="6 to 40 characters of your choice; flowbridge generates them",
        generates_secret=True,
        setup=(
            "In Lemon Squeezy open Settings → Webhooks, add a webhook with the URL as callback"
            " and the secret as signing secret, and choose its events. Test mode and live mode"
            " have separate webhooks."
        ),
        docs="https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
        evidence="sdk",
        signs="The body.",
        limits="There is no id: an identical body is a duplicate.",
        retries=(
            "Retried up to three times unless the answer is 200, after about 5, 25 and 125 seconds."
        ),
        fixed_objects=frozenset({"meta"}),
        samples=(Sample("order_created", "order_created.json", {"x-event-name": "order_created"}),),
    ),
    Provider(
        name="square",
        title="Square",
        # x-square-signature (sha1) comes along and is not looked at
        scheme=Hmac(
            at="header:x-square-hmacsha256-signature", encoding="base64", signed="{url}{body}"
        ),
        event_type=("body:type",),
        event_id=("body:event_id",),
        retry=("header:square-retry-number",),
        secret_hint="the subscription's Signature Key, from Square",
        generates_secret=False,
        setup=(
            "In the Square Developer Console open your application → Webhooks → Subscriptions,"
            " add one with the URL and choose its events. Copy its Signature Key. The URL is"
            " signed: set FLOWBRIDGE_PUBLIC_URL to the one that Square calls."
        ),
        docs="https://developer.squareup.com/docs/webhooks/step3validate",
        evidence="vector",
        signs="The URL and the body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Square retries for up to 24 hours, counted in square-retry-number.",
        samples=(
            Sample("payment.updated", "payment.updated.json", {"square-environment": "Production"}),
        ),
    ),
    Provider(
        name="paypal",
        title="PayPal",
        scheme=Rsa(
            at="header:PAYPAL-TRANSMISSION-SIG",
            signed="{h:PAYPAL-TRANSMISSION-ID}|{h:PAYPAL-TRANSMISSION-TIME}|{pin:webhook_id}|{body_crc32}",
            requires=(("header:PAYPAL-AUTH-ALGO", "SHA256withRSA"),),
            certificate=SigningCertificate(
                at="header:PAYPAL-CERT-URL",
                url=(
                    r"https://api(-m)?(\.sandbox)?\.paypal\.com/v1/notifications/certs/[\w-]{1,100}"
                ),
                names=(
                    "messageverificationcerts.paypal.com",
                    "messageverificationcerts.sandbox.paypal.com",
                ),
            ),
            pins=(Pin("webhook_id", "the webhook's id, as PayPal shows it"),),
        ),
        event_type=("body:event_type",),
        event_id=("body:id",),
        secret_hint=(
            "none: the certificate is fetched from PayPal; or a pinned certificate or public key"
            " (PEM)"
        ),
        generates_secret=False,
        setup=(
            "At developer.paypal.com open Apps & Credentials, your app → Webhooks, and add the"
            " URL with its events. Set the webhook's id, shown there, as webhook_id under pins:"
            " in routes.yaml."
        ),
        docs="https://developer.paypal.com/api/rest/webhooks/rest/",
        evidence="sdk",
        signs=(
            "The id and the time of the transmission, the webhook's id, and a checksum (CRC-32) of"
            " the body."
        ),
        limits=(
            "CRC-32 is not a cryptographic hash: anyone with one signed request can make another"
            " body with the same checksum. Fetch the payment in the flow."
        ),
        retries="PayPal tries up to 25 times in three days.",
        samples=(
            Sample(
                "PAYMENT.CAPTURE.COMPLETED",
                "PAYMENT.CAPTURE.COMPLETED.json",
                {
                    "paypal-transmission-id": "{id}",
                    "paypal-transmission-time": "{now_iso}",
                    "paypal-cert-url": (
                        "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
                    ),
                },
            ),
        ),
    ),
    Provider(
        name="adyen",
        title="Adyen",
        scheme=SignedItems(
            at="notificationItems",
            scheme=Hmac(
                at="body:NotificationRequestItem.additionalData.hmacSignature",
                encoding="base64",
                key="hex",
                signed=":".join(
                    f"{{json:NotificationRequestItem.{part}?}}" for part in ADYEN_SIGNED
                ),
            ),
        ),
        event_type=("body:NotificationRequestItem.eventCode",),
        event_id=(
            JoinedLocators(
                tuple(
                    f"body:NotificationRequestItem.{part}"
                    for part in ("pspReference", "eventCode", "success?")
                )
            ),
        ),
        batch=EventBatch("notificationItems", keep=("live",)),
        ack=Reply(200, "text/plain", b"[accepted]"),
        secret_hint="64 hexadecimal digits, the webhook's HMAC key, from Adyen",
        generates_secret=False,
        setup=(
            "In Adyen's Customer Area open Developers → Webhooks, add a Standard webhook with the"
            " URL and method JSON, and generate an HMAC key under Security. Put the key into"
            " .env; it takes a few minutes to be used."
        ),
        docs="https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures/",
        evidence="vector",
        signs=(
            "Of each item the references, the account, the amount, the event code and success,"
            " joined by colons."
        ),
        limits=(
            "The other fields of an item, such as reason, and its time are not signed: if they"
            " matter, ask Adyen."
        ),
        retries=(
            "Adyen tries three times within half a minute and then moves the message to a retry"
            " queue."
        ),
        samples=(
            Sample("AUTHORISATION", "AUTHORISATION.json", {"user-agent": "Adyen HttpClient 1.0"}),
        ),
    ),
    Provider(
        name="adyen_platform",
        title="Adyen for Platforms, and other newer webhooks of Adyen",
        scheme=Hmac(at="header:HmacSignature", encoding="base64", key="hex"),
        event_type=("body:type",),
        event_id=(
            JoinedLocators(
                (
                    "body:type",
                    "body:data.id",
                    "body:timestamp?",
                    "body:createdAt?",
                    "body:data.sequenceNumber?",
                )
            ),
        ),
        dedup_body=True,  # where an event's data has no id
        ack=Reply(200, "text/plain", b"[accepted]"),
        secret_hint="64 hexadecimal digits, the webhook's HMAC key, from Adyen",
        generates_secret=False,
        setup=(
            "In Adyen's Customer Area open Developers → Webhooks → Platforms, add a webhook with"
            " the URL and generate an HMAC key for it. Put the key into .env."
        ),
        docs="https://docs.adyen.com/platforms/verify-hmac-signatures/",
        evidence="sdk",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "Adyen tries three times within half a minute and then moves the message to a retry"
            " queue."
        ),
        samples=(
            Sample("balancePlatform.transfer.updated", "balancePlatform.transfer.updated.json"),
        ),
    ),
    Provider(
        name="braintree",
        title="Braintree",
        scheme=Hmac(
            at="form:bt_signature",
            parse=Pairs("*", "&", "|"),
            algorithm="sha1",
            key="sha1",
            signed=("{f:bt_payload}", "{f:bt_payload}\n"),
            given_away=BRAINTREE_CHALLENGE.pattern,
        ),
        dedup_body=True,  # each notification holds its own time
        handshakes=(Handshake(braintree_challenge, signed=False, methods=("GET",)),),
        secret_hint="PUBLIC|PRIVATE, the API keys of the gateway joined by a bar, from Braintree",
        generates_secret=False,
        setup=(
            "In the Braintree control panel open Settings → API and copy a public and a private"
            " key; joined by a bar they are the secret. Start flowbridge, then add the URL under"
            " Settings → API → Webhooks with the notifications you want: Braintree tests it at"
            " once."
        ),
        docs="https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
        evidence="sdk",
        signs="The field bt_payload.",
        answer_within="30 s",
        limits=(
            "The notification is base64 of XML in the field bt_payload, without a type. No time"
            " is signed."
        ),
        retries="Braintree retries every hour, for 24 hours in production and 3 in the sandbox.",
        samples=(
            Sample(
                "subscription_charged_successfully",
                "subscription_charged_successfully.json",
                {},
                URLENCODED,
            ),
        ),
    ),
    Provider(
        name="razorpay",
        title="Razorpay",
        scheme=Hmac(at="header:X-Razorpay-Signature"),
        event_type=("body:event",),
        event_id=("header:x-razorpay-event-id",),
        secret_hint="any text; flowbridge generates one, enter it at Razorpay",
        generates_secret=True,
        setup=(
            "In the Razorpay Dashboard open Account & Settings → Webhooks, add one with the URL"
            " and the secret, and choose its events. The secret is not that of the API key."
        ),
        docs="https://razorpay.com/docs/webhooks/validate-test/",
        evidence="sdk",
        signs="The body.",
        limits="Neither time nor id is signed: the same body with another id is marked.",
        retries=(
            "Razorpay retries for 24 hours with increasing delays, and then disables the webhook."
        ),
        samples=(
            Sample("payment.captured", "payment.captured.json", {"x-razorpay-event-id": "{id}"}),
        ),
    ),
    Provider(
        name="mollie",
        title="Mollie (webhooks of events)",
        # two of them, comma between, while a secret is replaced
        scheme=Hmac(at="header:X-Mollie-Signature", parse=Pairs("sha256")),
        event_type=("body:type",),
        event_id=("body:id",),
        ack=PLAIN_200,
        secret_hint="the webhook's signing secret, from Mollie",
        generates_secret=False,
        setup=(
            "In the Mollie Dashboard open Developers → Webhooks (or use the Webhooks API), add one"
            " with the URL and choose its events. Copy the signing secret that is shown once."
            " Webhooks of single payments are the provider mollie_classic."
        ),
        docs="https://docs.mollie.com/reference/webhooks-new",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Retried for about a day; the schedule is in Mollie's documentation.",
        samples=(
            Sample(
                "payment-link.paid",
                "payment-link.paid.json",
                {"user-agent": "Mollie HTTP client/1.0"},
            ),
        ),
    ),
    Provider(
        name="mollie_classic",
        title="Mollie (webhookUrl of a payment)",
        scheme=SharedToken(at="query:token"),
        ack=PLAIN_200,
        secret_hint="any long random text; flowbridge generates one, it is part of the URL",
        generates_secret=True,
        setup=(
            "Give Mollie the URL with ?token=SECRET as webhookUrl when you create a payment,"
            " order or subscription. The call has only an id: fetch the payment from Mollie's API"
            " in the flow, and trust only that."
        ),
        docs="https://docs.mollie.com/reference/webhooks",
        evidence="docs",
        signs="Nothing: the URL carries the token.",
        limits=CREDENTIAL_IN_URL + " Each change sends the same id.",
        retries="Retried for about a day; the schedule is in Mollie's documentation.",
        samples=(
            Sample("payment", "payment.json", {"user-agent": "Mollie HTTP client/1.0"}, URLENCODED),
        ),
    ),
)
