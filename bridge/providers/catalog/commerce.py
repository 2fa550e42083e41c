"""Rows: shops and marketplaces. Pure."""

# ruff: noqa: S106 - secret_hint tells what a secret looks like

from __future__ import annotations

from bridge.core.locators import JoinedLocators
from bridge.providers.catalog._shared import (
    PLAIN_200,
    REPLAY_KNOWN_BY_ID,
    SIGNS_ID_TIME_BODY,
    standard_webhooks,
    standard_webhooks_hmac,
)
from bridge.providers.handshakes.commerce import ebay_challenge, tebex_validation, woocommerce_ping
from bridge.providers.model import Handshake, Provider, Sample
from bridge.providers.signatures.alternatives import SchemeBySecret
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.header_formats import Base64Json, Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwks import KeyService
from bridge.providers.signatures.setup_secret import SetupSecret
from bridge.providers.signatures.timestamps import Timestamp

HEADERS_OPEN = (
    "Only the body is signed, not the headers with type and id: the same body with another id is"
    " marked."
)

ROWS = (
    Provider(
        name="shopify",
        title="Shopify",
        scheme=Hmac(at="header:X-Shopify-Hmac-Sha256", encoding="base64"),
        event_type=("header:X-Shopify-Topic",),
        event_id=(
            JoinedLocators(("header:X-Shopify-Event-Id", "header:X-Shopify-Topic?")),
            "header:X-Shopify-Webhook-Id",
        ),
        secret_hint=(
            "the app's client secret, or the key shown under Settings → Notifications → Webhooks,"
            " from Shopify"
        ),
        generates_secret=False,
        setup=(
            "In the shop's admin open Settings → Notifications → Webhooks, create one with the URL"
            " and format JSON, and copy the key under “Your webhooks will be signed with”. An app's"
            " webhooks (shopify.app.toml, Admin API) are signed with its client secret."
        ),
        docs="https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
        evidence="docs",
        signs="The body.",
        answer_within="5 s, and 1 s to connect",
        limits=HEADERS_OPEN,
        retries=(
            "Shopify tries 8 times in 4 hours; a subscription made by the API that keeps failing is"
            " deleted."
        ),
        api_key_starts=("shpat_", "shpca_", "shppa_"),
        samples=tuple(
            Sample(
                topic,
                payload,
                {
                    "x-shopify-topic": topic,
                    "x-shopify-shop-domain": "acme-garden.myshopify.com",
                    "x-shopify-api-version": "2026-07",
                    "x-shopify-event-id": "{id}",
                    "x-shopify-webhook-id": "wh-{id}",
                    "x-shopify-triggered-at": "{now_iso}",
                },
            )
            for topic, payload in (
                ("orders/create", "orders-create.json"),
                ("orders/paid", "orders-create.json"),  # an order that is paid as it is made
                ("products/update", "products-update.json"),
            )
        ),
    ),
    Provider(
        name="woocommerce",
        title="WooCommerce",
        scheme=Hmac(at="header:X-WC-Webhook-Signature", encoding="base64"),
        event_type=("header:X-WC-Webhook-Topic",),
        # The delivery id is a hash of the webhook's id and the second: two orders of one second
        # share it.
        event_id=(
            JoinedLocators(
                ("header:X-WC-Webhook-Delivery-ID", "header:X-WC-Webhook-Topic?", "body:id?")
            ),
        ),
        handshakes=(Handshake(woocommerce_ping, signed=False),),
        secret_hint="any text; flowbridge generates one, enter it at WooCommerce",
        generates_secret=True,
        setup=(
            "In WordPress open WooCommerce → Settings → Advanced → Webhooks, add one with the URL"
            " as delivery URL, the secret, a topic and status Active. Start flowbridge before you"
            " save: WooCommerce calls the URL at once."
        ),
        docs="https://developer.woocommerce.com/docs/apis/rest-api/v3/webhooks/",
        evidence="sdk",
        signs="The body.",
        answer_within="60 s",
        limits=HEADERS_OPEN,
        retries=(
            "Never retried; WooCommerce disables the webhook after more than 5 failures in a row."
        ),
        samples=(
            Sample(
                "order.created",
                "order.created.json",
                {
                    "user-agent": "WooCommerce/9.9.0 Hookshot (WordPress/6.8)",
                    "x-wc-webhook-source": "https://shop.example.com/",
                    "x-wc-webhook-topic": "order.created",
                    "x-wc-webhook-resource": "order",
                    "x-wc-webhook-event": "created",
                    "x-wc-webhook-id": "4",
                    "x-wc-webhook-delivery-id": "{id}",
                },
            ),
        ),
    ),
    Provider(
        name="bigcommerce",
        title="BigCommerce",
        scheme=standard_webhooks_hmac("webhook-", key="utf8"),
        event_type=("body:scope",),
        event_id=("header:webhook-id",),
        ack=PLAIN_200,
        secret_hint="the client secret of the app that made the webhook, from BigCommerce",
        generates_secret=False,
        setup=(
            "Create the webhook with BigCommerce's API (POST /stores/HASH/v3/hooks) with the URL"
            " as destination and a scope such as store/order/created. Without the app's secret,"
            " set your own header there and use the provider token."
        ),
        docs="https://docs.bigcommerce.com/developer/docs/integrations/webhooks/https",
        evidence="docs",
        signs=SIGNS_ID_TIME_BODY,
        limits="An event only names what changed: fetch it in the flow.",
        retries=(
            "BigCommerce retries after 1, 3, 5, 10, 15 and 30 minutes and 1, 2, 6, 14 and 24"
            " hours, and then disables the webhook; a host that fails often waits 3 more minutes."
        ),
        samples=(
            Sample("store/order/created", "store-order-created.json", {"webhook-id": "{id}"}),
        ),
    ),
    Provider(
        name="ebay",
        title="eBay",
        scheme=SchemeBySecret(
            by_secret=(
                ("token:", SetupSecret()),
                (
                    "",
                    Ecdsa(
                        at="header:X-EBAY-SIGNATURE",
                        parse=Base64Json(fixed=(("alg", "ecdsa"), ("digest", "SHA1"))),
                        digest="sha1",
                        service=KeyService(
                            "https://api.ebay.com/commerce/notification/v1/public_key/{kid}",
                            "https://api.ebay.com/identity/v1/oauth2/token",
                            "https://api.ebay.com/oauth/api_scope",
                        ),
                    ),
                ),
            )
        ),
        event_type=("body:metadata.topic",),
        event_id=("body:notification.notificationId",),
        retry=("body:notification.publishAttemptCount",),
        handshakes=(Handshake(ebay_challenge, signed=False, methods=("GET",)),),
        ack=PLAIN_200,
        secret_hint=(
            "two: token: and a verification token of your choice; and APP_ID:CERT_ID of the keyset,"
            " or eBay's public key (PEM)"
        ),
        generates_secret=False,
        setup=(
            "Choose a verification token of 32 to 80 letters, digits, _ and -, and put"
            " token:TOKEN among the secrets; start flowbridge, and enter the URL and the token"
            " under Alerts & Notifications of your keyset: eBay tests it at once. Put the"
            " keyset's App ID and Cert ID among the secrets too, joined by a colon: with them"
            " eBay's public keys are fetched (getPublicKey). For the sandbox set the key itself"
            " instead."
        ),
        docs="https://developer.ebay.com/marketplace-account-deletion",
        evidence="vector",
        signs="The body.",
        limits=(
            "eBay's signature is the same for every application: check in the flow that the"
            " notification is about one of your users. With a public key among the secrets"
            " nothing is fetched: add the new one when eBay changes it. " + REPLAY_KNOWN_BY_ID
        ),
        retries=("eBay retries, and may disable a keyset whose notifications are not answered."),
        samples=(Sample("MARKETPLACE_ACCOUNT_DELETION", "MARKETPLACE_ACCOUNT_DELETION.json"),),
    ),
    Provider(
        name="tebex",
        title="Tebex",
        scheme=Hmac(at="header:X-Signature", signed="{body_sha256}"),
        event_type=("body:type",),
        event_id=("body:id",),
        handshakes=(Handshake(tebex_validation),),
        secret_hint="the endpoint's secret, from Tebex",
        generates_secret=False,
        setup=(
            "In the Tebex Creator Panel open Developers → Webhooks → Endpoints, copy the secret,"
            " start flowbridge, and add an endpoint with the URL and its events: Tebex tests it at"
            " once."
        ),
        docs="https://docs.tebex.io/developers/webhooks/overview",
        evidence="docs",
        signs="The SHA-256 of the body, in hexadecimal digits.",
        limits=REPLAY_KNOWN_BY_ID,
        retries="Retried; Tebex's documentation has no schedule.",
        samples=(
            Sample("payment.completed", "payment.completed.json"),
            Sample("validation.webhook", "validation.webhook.json"),
        ),
    ),
    Provider(
        name="recharge",
        title="Recharge",
        scheme=Hmac(
            at="header:X-Recharge-Webhook-Signature",
            parse=Pairs("v1"),
            signed="{t}.{body}",
            timestamp=Timestamp("label:t", tolerance=86400),
        ),
        dedup_body=True,
        ack=PLAIN_200,
        secret_hint="the API client secret, from Recharge",
        generates_secret=False,
        setup=(
            "Create the webhook with Recharge's API (POST /webhooks) with the URL as address and"
            " a topic. The secret is the API client secret, on the page of the API token. Use one"
            " source for each topic to tell them apart."
        ),
        docs="https://docs.getrecharge.com/docs/webhooks-overview",
        evidence="docs",
        signs="The time and the body, joined by a dot.",
        answer_within="5 s, with a 200",
        limits=(
            "There is neither type nor id: an identical body is a duplicate. A request may be a"
            " day old; Recharge allows two."
        ),
        retries="Recharge tries 20 times in 48 hours, and then deletes the webhook.",
        samples=(Sample("charge/paid", "charge-paid.json"),),
    ),
    Provider(
        name="commerce_layer",
        title="Commerce Layer",
        scheme=Hmac(at="header:X-CommerceLayer-Signature", encoding="base64"),
        event_type=("header:X-CommerceLayer-Topic",),
        dedup_body=True,  # each holds when its resource was last changed
        secret_hint="the webhook's shared_secret, from Commerce Layer",
        generates_secret=False,
        setup=(
            "Create the webhook with Commerce Layer's API (POST /api/webhooks) with the URL as"
            " callback_url and a topic such as orders.place. The answer holds its shared_secret."
        ),
        docs="https://docs.commercelayer.io/core/callbacks-security",
        evidence="docs",
        signs="The body.",
        answer_within="5 s",
        limits=(
            "There is no id: an identical body is a duplicate. The header with the type is not"
            " signed."
        ),
        retries=(
            "Commerce Layer tries up to 10 times, and stops the webhook after 30 failures in a row."
        ),
        samples=(
            Sample("orders.place", "orders.place.json", {"x-commercelayer-topic": "orders.place"}),
        ),
    ),
    Provider(
        name="shipbob",
        title="ShipBob",
        scheme=standard_webhooks("webhook-"),
        event_type=("header:x-webhook-topic",),
        event_id=("header:webhook-id",),
        secret_hint="whsec_… and base64, the subscription's secret, from ShipBob",
        generates_secret=False,
        setup=(
            "Create the webhook with ShipBob's API (POST /2026-01/webhook) with the URL and its"
            " topics, and copy the secret (whsec_…)."
        ),
        docs="https://developer.shipbob.com/2026-01/webhooks",
        evidence="docs",
        signs=SIGNS_ID_TIME_BODY,
        limits="The header with the type is not signed.",
        retries="Not documented.",
        samples=(
            Sample(
                "order.shipped",
                "order.shipped.json",
                {"webhook-id": "msg_{id}", "x-webhook-topic": "order.shipped"},
            ),
        ),
    ),
)
