"""Rows: subscriptions, invoices and bookkeeping. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    PLAIN_200,
    REPLAY_KNOWN_BY_ID,
    SIGNS_ID_TIME_BODY,
    standard_webhooks_hmac,
)
from bridge.providers.handshakes.commerce import xero_intent
from bridge.providers.model import EventBatch, Handshake, Provider, Sample
from bridge.providers.signatures.header_formats import Pairs, Positional
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import BasicAuth
from bridge.providers.signatures.timestamps import Timestamp

ROWS = (
    Provider(
        name="xero",
        title="Xero",
        scheme=Hmac(at="header:x-xero-signature", encoding="base64"),
        event_type=(JoinedLocators(("body:eventCategory", "body:eventType"), by="."),),
        event_id=(
            JoinedLocators(
                (
                    "body:tenantId",
                    "body:resourceId",
                    "body:eventCategory",
                    "body:eventType",
                    "body:eventDateUtc",
                )
            ),
        ),
        batch=EventBatch("events"),
        handshakes=(Handshake(xero_intent),),
        ack=PLAIN_200,
        # its test of the URL wants 401 and nothing else where the signature is wrong
        bare_refusal=True,
        secret_hint="the webhook key, base64 that is used undecoded, from Xero",
        generates_secret=False,
        setup=(
            "In the Xero developer portal open your app → Webhooks, choose the events, enter the"
            " URL and copy the webhook key. Start flowbridge and press Send intent to receive:"
            " Xero sends good and bad signatures, and expects 200 and 401."
        ),
        docs="https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/",
        evidence="docs",
        signs="The body.",
        answer_within="5 s, with no body",
        limits="An event only names what changed: fetch the record in the flow. "
        + REPLAY_KNOWN_BY_ID,
        retries="Xero retries for 24 hours, less and less often, and then disables the webhook.",
        samples=(
            Sample("INVOICE.UPDATE", "INVOICE.UPDATE.json"),
            Sample("intent_to_receive", "intent_to_receive.json"),
        ),
    ),
    Provider(
        name="quickbooks",
        title="QuickBooks Online",
        scheme=Hmac(at="header:intuit-signature", encoding="base64"),
        event_type=("body:type",),
        event_id=("body:id",),
        # a list of CloudEvents; the older eventNotifications are an object, and stay one event
        batch=EventBatch(),
        dedup_body=True,
        ack=PLAIN_200,
        secret_hint="the webhook's verifier token, from Intuit",
        generates_secret=False,
        setup=(
            "In the Intuit developer portal open your app → Webhooks, enter the URL, choose the"
            " entities and copy the verifier token (Show verifier token)."
        ),
        docs="https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks",
        evidence="sdk",
        signs="The body.",
        answer_within="3 s, with a 200",
        limits=(
            "Notifications in the older form (eventNotifications) have neither type nor id: an"
            " identical body is a duplicate."
        ),
        retries=(
            "Intuit retries after 10, 20 and 30 s, 5 and 20 min, 2, 4 and 6 h, then every 6 h;"
            " later events wait until then."
        ),
        samples=(Sample("qbo.invoice.created.v1", "qbo.invoice.created.v1.json"),),
    ),
    Provider(
        name="chargebee",
        title="Chargebee",
        scheme=BasicAuth(),
        event_type=("body:event_type",),
        event_id=("body:id",),
        secret_hint="user:password of your choice; flowbridge generates the password",
        generates_secret=True,
        setup=(
            "In Chargebee open Settings → Configure Chargebee → Webhooks, add one with the URL,"
            " tick Protect webhook URL with basic authentication, and enter user and password:"
            " the secret is user:password."
        ),
        docs="https://www.chargebee.com/docs/2.0/webhook_settings.html",
        evidence="docs",
        signs="Nothing: requests carry user and password.",
        limits=(
            "A password does not prove that the body is Chargebee's: fetch what matters in the"
            " flow."
        ),
        retries="Chargebee tries 7 times: after 2, 6 and 30 minutes, 1 and 5 hours, 1 and 2 days.",
        samples=(
            Sample(
                "subscription_created", "subscription_created.json", {"user-agent": "ChargeBee"}
            ),
        ),
    ),
    Provider(
        name="recurly",
        title="Recurly",
        scheme=Hmac(
            at="header:recurly-signature",
            parse=Positional(),
            signed="{timestamp}.{body}",
            timestamp=Timestamp("label:0", "ms"),
        ),
        event_type=(JoinedLocators(("body:object_type", "body:event_type"), by="."),),
        event_id=(
            JoinedLocators(("body:object_type", "body:id", "body:event_type", "body:event_time")),
        ),
        secret_hint="the endpoint's secret key, from Recurly",
        generates_secret=False,
        setup=(
            "In Recurly open Integrations → Webhooks, add an endpoint with the URL and the format"
            " JSON, choose its notifications, and copy its secret key. Endpoints of the format XML"
            " are not signed, and are refused."
        ),
        docs="https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
        evidence="vector",
        signs="The time and the body, joined by a dot.",
        limits=(
            "An event only names what changed: fetch it in the flow. There is no event id: two"
            " changes of one type to one record in one second count once."
        ),
        retries=(
            "Recurly retries 10 times: first after 10 s, 1 and 5 minutes, then less often, over"
            " about three days."
        ),
        samples=(Sample("account.created", "account.created.json"),),
    ),
    Provider(
        name="polar",
        title="Polar",
        # Standard Webhooks, but the whole of the secret is the key, as text.
        scheme=standard_webhooks_hmac("webhook-", key="utf8"),
        event_type=("body:type",),
        event_id=("header:webhook-id",),
        secret_hint="any text; flowbridge generates one, enter it at Polar",
        generates_secret=True,
        setup=(
            "In Polar open your organization's Settings → Webhooks, add an endpoint with the URL,"
            " format Raw, the secret and its events."
        ),
        docs="https://polar.sh/docs/integrate/webhooks/delivery",
        evidence="docs",
        signs=SIGNS_ID_TIME_BODY,
        answer_within="10 s",
        retries=(
            "Polar tries up to 10 times with increasing delays, and disables the endpoint after"
            " 10 failures in a row."
        ),
        samples=(Sample("order.paid", "order.paid.json", {"webhook-id": "{id}"}),),
    ),
    Provider(
        name="orb",
        title="Orb",
        scheme=Hmac(
            at="header:X-Orb-Signature",
            parse=Pairs("v1", separator=" "),
            signed="v1:{timestamp}:{body}",
            timestamp=Timestamp("header:X-Orb-Timestamp", "iso8601"),
        ),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="the endpoint's signing secret, from Orb",
        generates_secret=False,
        setup=(
            "In Orb open Developers → Webhooks, add an endpoint with the URL, and copy its signing"
            " secret."
        ),
        docs="https://docs.withorb.com/integrations-and-exports/webhooks",
        evidence="vector",
        signs="The version v1, the time and the body, joined by colons.",
        retries="Retried with increasing delays; the schedule is in Orb's documentation.",
        samples=(Sample("invoice.payment_succeeded", "invoice.payment_succeeded.json"),),
    ),
    Provider(
        name="paystack",
        title="Paystack",
        scheme=Hmac(at="header:x-paystack-signature", algorithm="sha512"),
        event_type=("body:event",),
        event_id=(
            JoinedLocators(("body:event", "body:data.id")),
            JoinedLocators(("body:event", "body:data.reference")),
        ),
        dedup_body=True,
        ack=PLAIN_200,
        secret_hint="sk_live_… or sk_test_…, the secret API key, from Paystack",
        generates_secret=False,
        setup=(
            "In the Paystack Dashboard open Settings → API Keys & Webhooks and enter the URL as"
            " webhook URL, once for test and once for live mode. The secret is the secret key of"
            " the same mode."
        ),
        docs="https://paystack.com/docs/payments/webhooks/",
        evidence="docs",
        signs="The body.",
        answer_within="30 s, with a 200",
        limits=(
            "An event has no id: its type and the id of its object identify it. No time is signed."
        ),
        retries=(
            "In live mode Paystack tries 4 times 3 minutes apart, then every hour for 72 hours; in"
            " test mode every hour for 10."
        ),
        samples=(Sample("charge.success", "charge.success.json"),),
    ),
    Provider(
        name="checkout_com",
        title="Checkout.com",
        scheme=Hmac(at="header:Cko-Signature"),
        event_type=("body:type",),
        event_id=("body:id",),
        secret_hint="the signature key of the webhook's workflow action; flowbridge generates one",
        generates_secret=True,
        setup=(
            "In the Checkout.com Dashboard open Developers → Workflows (or use the Workflows API),"
            " add a webhook action with the URL, and enter the secret as its signature key."
        ),
        docs="https://www.checkout.com/docs/developer-resources/webhooks/receive-webhooks",
        evidence="docs",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Retried with increasing delays; the schedule is in Checkout.com's documentation.",
        samples=(Sample("payment_captured", "payment_captured.json"),),
    ),
    Provider(
        name="authorize_net",
        title="Authorize.Net",
        # the key's digits as text, not decoded
        scheme=Hmac(at="header:X-ANET-Signature", prefix="sha512=", algorithm="sha512"),
        event_type=("body:eventType",),
        event_id=("body:notificationId",),
        secret_hint="128 hexadecimal digits, the account's Signature Key, from Authorize.Net",
        generates_secret=False,
        setup=(
            "In the Merchant Interface open Account → Settings: make a Signature Key under API"
            " Credentials & Keys, and add the URL with its events under Webhooks."
        ),
        docs="https://developer.authorize.net/api/reference/features/webhooks.html",
        evidence="vector",
        signs="The body.",
        limits=REPLAY_KNOWN_BY_ID,
        retries=(
            "Authorize.Net tries up to 10 times with increasing delays, and then disables the"
            " webhook."
        ),
        samples=(
            Sample(
                "net.authorize.payment.authcapture.created",
                "net.authorize.payment.authcapture.created.json",
            ),
        ),
    ),
)
