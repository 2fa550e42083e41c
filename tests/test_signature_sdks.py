"""The senders' own libraries sign, we verify: independent of our recipes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from signing import BODY, NOW, WHSEC, case_request, post, row, secrets

from bridge.errors import BadSignature

TEXT = BODY.decode()


def test_stripe_signs_for_us_and_accepts_ours() -> None:
    stripe = pytest.importorskip("stripe")
    header = stripe.WebhookSignature.generate_signature_header(TEXT, "whsec_abc", timestamp=int(NOW))
    row("stripe").verify(post(headers={"Stripe-Signature": header}), secrets("whsec_abc"), NOW)
    with pytest.raises(BadSignature):
        row("stripe").verify(post(headers={"Stripe-Signature": header}), secrets("whsec_abd"), NOW)
    ours = row("stripe").sign(post(), "whsec_abc", NOW).headers["stripe-signature"]
    assert stripe.WebhookSignature.verify_header(TEXT, ours, "whsec_abc", tolerance=None)


def test_slack_signs_for_us_and_accepts_ours() -> None:
    signature = pytest.importorskip("slack_sdk.signature")
    verifier = signature.SignatureVerifier("8f742231b10e8888abcd99yyyzzz85a5")
    stamp = str(int(NOW))
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": verifier.generate_signature(timestamp=stamp, body=TEXT)}
    row("slack").verify(post(headers=headers), secrets("8f742231b10e8888abcd99yyyzzz85a5"), NOW)
    ours = case_request("slack").headers
    assert verifier.generate_signature(timestamp=stamp, body=TEXT) == ours["x-slack-signature"]


def test_standard_webhooks_signs_for_us() -> None:
    library = pytest.importorskip("standardwebhooks")
    signed = library.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), TEXT)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW)), "webhook-signature": signed}
    row("standard_webhooks").verify(post(headers=headers), secrets(WHSEC), NOW)
    row("svix").verify(post(headers=headers), secrets(WHSEC), NOW)


def test_svix_signs_for_us() -> None:
    webhooks = pytest.importorskip("svix.webhooks")
    signed = webhooks.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), TEXT)
    headers = {"svix-id": "msg_1", "svix-timestamp": str(int(NOW)), "svix-signature": signed}
    row("svix").verify(post(headers=headers), secrets(WHSEC), NOW)
    with pytest.raises(BadSignature):
        row("standard_webhooks").verify(post(headers=headers), secrets(WHSEC), NOW)
