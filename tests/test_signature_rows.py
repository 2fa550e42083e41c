"""The engine can say every HMAC provider's scheme as data: each vector on file is judged right by a row of a few fields."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from signing import post, row, secrets

from bridge.errors import BadSignature
from bridge.signatures import Basic, Ed25519, Hmac, Pairs, Scheme, Timestamp, Token

FILE = Path(__file__).parents[2] / "shared" / "reference" / "signature_vectors.json.gz"
ADYEN = "notificationItems.0.NotificationRequestItem"
ADYEN_PARTS = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)


def header(name: str, **more: Any) -> Hmac:
    return Hmac(at=f"header:{name}", **more)


def listed(name: str, label: str = "v1", **more: Any) -> Hmac:
    return header(name, parse=Pairs(label), **{"signed": "{t}.{body}", **more})


ROWS: dict[str, Scheme | tuple[Scheme, ...]] = {
    **{name: row(name) for name in ("github", "stripe", "slack", "standard_webhooks", "svix")},
    "adyen": Hmac(
        at=f"body:{ADYEN}.additionalData.hmacSignature",
        encoding="base64",
        key="hex",
        signed=":".join(f"{{json:{ADYEN}.{part}?}}" for part in ADYEN_PARTS),
    ),
    "adyen_platform": header("HmacSignature", encoding="base64", key="hex"),
    "airtable": header("X-Airtable-Content-MAC", prefix="hmac-sha256=", key="base64"),
    "asana": header("X-Hook-Signature"),
    "bitbucket": header("X-Hub-Signature", prefix="sha256="),
    "bitbucket_server": header("X-Hub-Signature", prefix="sha256="),
    "box": Hmac(
        at=("header:Box-Signature-Primary", "header:Box-Signature-Secondary"),
        encoding="base64",
        signed="{body}{h:Box-Delivery-Timestamp}",
        timestamp=Timestamp("header:Box-Delivery-Timestamp", "iso8601", 600),
        requires=(("header:Box-Signature-Version", "1"), ("header:Box-Signature-Algorithm", "HmacSHA256")),
    ),
    "braintree": Hmac(
        at="form:bt_signature",
        parse=Pairs("*", "&", "|"),
        algorithm="sha1",
        key="sha1",
        signed=("{f:bt_payload}", "{f:bt_payload}\n"),
    ),
    "cal_com": header("X-Cal-Signature-256"),
    "calendly": listed("Calendly-Webhook-Signature", timestamp=Timestamp("label:t")),
    "circleci": listed("circleci-signature", signed="{body}"),
    "clickup": header("X-Signature"),
    "coinbase_commerce": header("X-CC-Webhook-Signature"),
    "discord": Ed25519(at="header:X-Signature-Ed25519", signed="{h:X-Signature-Timestamp}{body}"),
    "docusign": header("X-DocuSign-Signature-*", encoding="base64"),
    "dropbox": header("X-Dropbox-Signature"),
    "gitea": header("X-Gitea-Signature"),
    "gitlab": Token(at="header:X-Gitlab-Token"),
    "gocardless": header("Webhook-Signature"),
    "grafana": (
        header("X-Grafana-Alerting-Signature"),
        header(
            "X-Grafana-Alerting-Signature",
            signed="{timestamp}:{body}",
            timestamp=Timestamp("header:X-Grafana-Alerting-Timestamp"),
        ),
    ),
    "heroku": header("Heroku-Webhook-Hmac-SHA256", encoding="base64"),
    "hubspot": (
        header(
            "X-HubSpot-Signature", plain=True, signed="{secret}{body}", requires=(("header:X-HubSpot-Signature-Version", "v1"),)
        ),
        header(
            "X-HubSpot-Signature",
            plain=True,
            signed="{secret}{method}{url}{body}",
            requires=(("header:X-HubSpot-Signature-Version", "v2"),),
        ),
        header(
            "X-HubSpot-Signature-v3",
            encoding="base64",
            signed="{method}{url}{body}{timestamp}",
            timestamp=Timestamp("header:X-HubSpot-Request-Timestamp", "ms"),
        ),
    ),
    "intercom": header("X-Hub-Signature", prefix="sha1=", algorithm="sha1"),
    "jira": header("X-Hub-Signature", prefix="sha256="),
    "lemon_squeezy": header("X-Signature"),
    "line": header("X-Line-Signature", encoding="base64"),
    "linear": header("Linear-Signature"),
    "linkedin": header("X-LI-Signature", signed="hmacsha256={body}"),
    "mailgun": Hmac(
        at="body:signature.signature",
        signed="{timestamp}{json:signature.token}",
        timestamp=Timestamp("body:signature.timestamp", enforced=False),
    ),
    "mandrill": header("X-Mandrill-Signature", algorithm="sha1", encoding="base64", signed="{url}{form_sorted}"),
    "meta": header("X-Hub-Signature-256", prefix="sha256="),
    "msteams_outgoing": header("Authorization", prefix="HMAC ", encoding="base64", key="base64"),
    "notion": header("X-Notion-Signature", prefix="sha256="),
    "okta": Token(at="header:Authorization"),
    "paddle": header(
        "Paddle-Signature",
        parse=Pairs("h1", separator=";"),
        signed="{timestamp}:{body}",
        timestamp=Timestamp("label:ts", tolerance=5),
    ),
    "pagerduty": listed("X-PagerDuty-Signature", signed="{body}"),
    "pandadoc": Hmac(at="query:signature"),
    "postmark": Basic(),
    "qonto": header("Qonto-SHA256-Signature"),
    "quickbooks": header("intuit-signature", encoding="base64"),
    "razorpay": header("X-Razorpay-Signature"),
    "revenuecat": listed("X-RevenueCat-Webhook-Signature", timestamp=Timestamp("label:t")),
    "revenuecat_static": Token(prefix="Bearer "),
    "sanity": listed("sanity-webhook-signature", encoding="base64url", timestamp=Timestamp("label:t", "ms", enforced=False)),
    "segment": header("X-Signature", algorithm="sha1"),
    "sentry": header("Sentry-Hook-Signature"),
    "shopify": header("X-Shopify-Hmac-Sha256", encoding="base64"),
    "square": header("x-square-hmacsha256-signature", encoding="base64", signed="{url}{body}"),
    "supabase_db": Token(prefix="Bearer "),
    "tally": header("Tally-Signature", encoding="base64"),
    "telegram": Token(at="header:X-Telegram-Bot-Api-Secret-Token"),
    "terraform_cloud": header("X-TFE-Notification-Signature", algorithm="sha512"),
    "trello": header("X-Trello-Webhook", algorithm="sha1", encoding="base64", signed="{body}{url}"),
    "twilio": tuple(
        header(
            "X-Twilio-Signature",
            algorithm=algorithm,
            encoding="base64",
            body_sha256="query:bodySHA256",
            signed=("{url}{form_sorted}", "{url_other_port}{form_sorted}"),
        )
        for algorithm in ("sha1", "sha256")
    ),
    "twitch": header(
        "Twitch-Eventsub-Message-Signature",
        prefix="sha256=",
        signed="{h:Twitch-Eventsub-Message-Id}{h:Twitch-Eventsub-Message-Timestamp}{body}",
    ),
    "typeform": header("Typeform-Signature", prefix="sha256=", encoding="base64"),
    "vercel": header("x-vercel-signature", algorithm="sha1"),
    "webflow": header(
        "x-webflow-signature", signed="{timestamp}:{body}", timestamp=Timestamp("header:x-webflow-timestamp", "ms")
    ),
    "woocommerce": header("X-WC-Webhook-Signature", encoding="base64"),
    "workos": listed("WorkOS-Signature", timestamp=Timestamp("label:t", "ms", 180)),
    "x": header("x-twitter-webhooks-signature", prefix="sha256=", encoding="base64"),
    "xero": header("x-xero-signature", encoding="base64"),
    "zendesk": header("X-Zendesk-Webhook-Signature", encoding="base64", signed="{h:X-Zendesk-Webhook-Signature-Timestamp}{body}"),
    "zoom": header(
        "x-zm-signature", prefix="v0=", signed="v0:{timestamp}:{body}", timestamp=Timestamp("header:x-zm-request-timestamp")
    ),
}
LATER = {"aws_sns", "contentful", "netlify", "paypal", "plaid", "sendgrid"}  # RSA, ECDSA, JWT, canonical headers: kinds to come


def deliveries() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    with gzip.open(FILE) as file:
        return [
            vector for vector in json.load(file)["vectors"] if vector["type"] == "delivery" and vector["provider"] != "generic"
        ]


def accepts(scheme: Scheme, vector: dict[str, Any]) -> bool:
    body = base64.b64decode(vector["body_base64"]) if "body_base64" in vector else vector["body"].encode()
    url = vector.get("url", "https://example.com/")
    request = post(body, vector["headers"], url=url, query_string=url.partition("?")[2])
    if vector.get("method") == "GET":
        object.__setattr__(request, "method", "GET")
    try:
        scheme.verify(request, secrets(vector["secret"]), vector.get("now", 1_700_000_000))
    except BadSignature:
        return False
    return True


@pytest.mark.skipif(not FILE.exists(), reason="the collected vectors are not beside this checkout")
@pytest.mark.parametrize("vector", [v for v in deliveries() if v["provider"] not in LATER], ids=lambda vector: vector["id"])
def test_every_vector_on_file_is_judged_right_by_a_row(vector: dict[str, Any]) -> None:
    schemes = ROWS[vector["provider"]]
    schemes = schemes if isinstance(schemes, tuple) else (schemes,)
    assert any(accepts(scheme, vector) for scheme in schemes) is vector["valid"]


@pytest.mark.skipif(not FILE.exists(), reason="the collected vectors are not beside this checkout")
def test_every_provider_on_file_is_a_row_or_a_kind_to_come() -> None:
    assert {vector["provider"] for vector in deliveries()} == set(ROWS) | LATER
