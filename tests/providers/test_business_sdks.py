"""The libraries of payment services, CRMs and tables agree with the rows.

None of them is needed to run the tests: those whose library is not installed skip.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode

import pytest
from senders import KEY, sender
from signing import post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED


def signed(name: str) -> Request:
    """A sample signed now: some libraries look at the clock themselves."""
    one = sender(name)
    return one.sign(one.request(), time.time())


def changed(request: Request) -> str:
    return request.body.decode().replace("e", "3", 1)


def test_adyen_checks_our_items_and_signs_for_us() -> None:
    util = pytest.importorskip("Adyen.util")
    document = json.loads(signed("adyen").body)
    assert util.is_valid_hmac_notification(document, KEY)
    item = document["notificationItems"][0]["NotificationRequestItem"]
    item["amount"]["value"] += 1
    assert not util.is_valid_hmac_notification(document, KEY)
    del item["additionalData"]
    item["additionalData"] = {"hmacSignature": util.generate_notification_sig(item, KEY).decode()}
    sender("adyen").verify(post(json.dumps(document).encode()))
    platform = signed("adyen_platform")
    assert util.is_valid_hmac_payload(platform.headers["hmacsignature"], KEY, platform.body)
    ours = post(b'{"a":1}', {"HmacSignature": util.generate_payload_sig(b'{"a":1}', KEY).decode()})
    sender("adyen_platform").verify(ours)


def test_braintree_signs_for_us_and_reads_ours() -> None:
    braintree = pytest.importorskip("braintree")
    gateway = braintree.BraintreeGateway(
        braintree.Configuration(
            braintree.Environment.Sandbox,
            merchant_id="m",
            public_key="public_key",
            private_key="private_key",
        )
    )
    made = gateway.webhook_testing.sample_notification("subscription_went_past_due", "my_id")
    request = post(urlencode(made).encode(), {"content-type": URLENCODED})
    scheme = sender("braintree").scheme
    for secret in ("private_key", "public_key|private_key"):
        scheme.verify(request, secrets(secret), time.time())
    with pytest.raises(BadSignature):
        scheme.verify(request, secrets("public_key|other_key"), time.time())
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    one = replace(sender("braintree"), secret="public_key|private_key")
    asked = replace(post(b"", {}, query_string=f"bt_challenge={challenge}"), method="GET")
    assert one.receive(asked)[0].reply.body.decode() == gateway.webhook_notification.verify(
        challenge
    )
    payload = made["bt_payload"]
    ours = scheme.sign(
        post(urlencode({"bt_payload": payload}).encode(), {"content-type": URLENCODED}),
        "public_key|private_key",
        time.time(),
    )
    signature = parse_qs(ours.body.decode())["bt_signature"][0].replace("*|", "public_key|")
    assert (
        gateway.webhook_notification.parse(signature, payload).kind == "subscription_went_past_due"
    )


def test_razorpay_checks_ours() -> None:
    razorpay = pytest.importorskip("razorpay")
    request = signed("razorpay")
    utility = razorpay.Client(auth=("id", "secret")).utility
    assert utility.verify_webhook_signature(
        request.body.decode(), request.headers["x-razorpay-signature"], KEY
    )
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        utility.verify_webhook_signature(
            changed(request), request.headers["x-razorpay-signature"], KEY
        )


def test_gocardless_checks_ours() -> None:
    webhooks = pytest.importorskip("gocardless_pro.webhooks")
    request = signed("gocardless")
    events = webhooks.parse(request.body, KEY, request.headers["webhook-signature"])
    assert [event.action for event in events] == ["confirmed", "failed"]
    with pytest.raises(webhooks.InvalidSignatureError):
        webhooks.parse(changed(request).encode(), KEY, request.headers["webhook-signature"])


def test_paddle_checks_ours() -> None:
    notifications = pytest.importorskip("paddle_billing.Notifications")
    request = signed("paddle")
    seen = SimpleNamespace(
        headers={"Paddle-Signature": request.headers["paddle-signature"]}, body=request.body
    )
    verifier = notifications.Verifier()
    assert verifier.verify(seen, notifications.Secret(KEY))
    assert not verifier.verify(
        SimpleNamespace(headers=seen.headers, body=changed(request).encode()),
        notifications.Secret(KEY),
    )


def test_hubspot_checks_ours_and_signs_for_us() -> None:
    signature = pytest.importorskip("hubspot.utils.signature").Signature
    request = signed("hubspot")
    stamp = request.headers["x-hubspot-request-timestamp"]
    given = request.headers["x-hubspot-signature-v3"]
    assert signature.is_valid(given, KEY, request.body.decode(), request.url, "POST", "v3", stamp)
    assert not signature.is_valid(given, KEY, changed(request), request.url, "POST", "v3", stamp)
    made = signature.get_signature(KEY, request.body.decode(), "v3", request.url, "POST", stamp)
    sender("hubspot").verify(
        replace(request, headers={**request.headers, "x-hubspot-signature-v3": made}), time.time()
    )


def test_airtable_checks_ours() -> None:
    webhook = pytest.importorskip("pyairtable.models.webhook")
    one = sender("airtable")
    request = signed("airtable")
    given = request.headers["x-airtable-content-mac"]
    assert (
        webhook.WebhookNotification.from_request(request.body.decode(), given, one.secret).base.id
        == "app00000000000042"
    )
    with pytest.raises(ValueError, match="failed validation"):
        webhook.WebhookNotification.from_request(changed(request), given, one.secret)


def test_square_checks_ours() -> None:
    helper = pytest.importorskip("square.utils.webhooks_helper")
    request = signed("square")
    given = {
        "signature_header": request.headers["x-square-hmacsha256-signature"],
        "signature_key": KEY,
        "notification_url": request.url,
    }
    assert helper.verify_signature(request_body=request.body.decode(), **given)
    assert not helper.verify_signature(request_body=changed(request), **given)


def test_standard_webhooks_signs_for_its_adopters() -> None:
    library = pytest.importorskip("standardwebhooks")
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    for name in ("lithic", "brex", "shipbob"):
        one = sender(name)
        request = sender(name).request()
        made = library.Webhook(one.secret).sign("msg_1", now, request.body.decode())
        headers = {
            **request.headers,
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": made,
        }
        one.verify(replace(request, headers=headers), time.time())


def test_polar_signs_with_the_whole_secret_as_its_library_does() -> None:
    """Polar's own library hands base64 of the secret to this one."""
    library = pytest.importorskip("standardwebhooks")
    from base64 import b64encode

    request = signed("polar")
    key = b64encode(sender("polar").secret.encode()).decode()
    assert (
        library.Webhook(key).verify(request.body.decode(), dict(request.headers))["type"]
        == "order.paid"
    )
