"""Requests that the senders' own libraries sign are verified."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlencode

import pytest
from senders import ED25519, sender
from signing import BODY, NOW, WHSEC, case_request, post, row, secrets
from werkzeug.datastructures import MultiDict

from bridge.core.errors import BadSignature

TEXT = BODY.decode()


def test_stripe_signs_for_us_and_accepts_ours() -> None:
    stripe = pytest.importorskip("stripe")
    header = stripe.WebhookSignature.generate_signature_header(
        TEXT, "whsec_abc", timestamp=int(NOW)
    )
    row("stripe").verify(post(headers={"Stripe-Signature": header}), secrets("whsec_abc"), NOW)
    with pytest.raises(BadSignature):
        row("stripe").verify(post(headers={"Stripe-Signature": header}), secrets("whsec_abd"), NOW)
    ours = row("stripe").sign(post(), "whsec_abc", NOW).headers["stripe-signature"]
    assert stripe.WebhookSignature.verify_header(TEXT, ours, "whsec_abc", tolerance=None)


def test_slack_signs_for_us_and_accepts_ours() -> None:
    signature = pytest.importorskip("slack_sdk.signature")
    verifier = signature.SignatureVerifier("8f742231b10e8888abcd99yyyzzz85a5")
    stamp = str(int(NOW))
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": verifier.generate_signature(timestamp=stamp, body=TEXT),
    }
    row("slack").verify(post(headers=headers), secrets("8f742231b10e8888abcd99yyyzzz85a5"), NOW)
    ours = case_request("slack").headers
    assert verifier.generate_signature(timestamp=stamp, body=TEXT) == ours["x-slack-signature"]


def test_standard_webhooks_signs_for_us() -> None:
    library = pytest.importorskip("standardwebhooks")
    signed = library.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), TEXT)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW)),
        "webhook-signature": signed,
    }
    row("standard_webhooks").verify(post(headers=headers), secrets(WHSEC), NOW)
    row("svix").verify(post(headers=headers), secrets(WHSEC), NOW)


def test_standard_webhooks_signs_as_bigcommerce_and_brex_have_it() -> None:
    """BigCommerce's documentation makes the library's secret of the client secret's text; Brex
    gives base64 without a start.
    """
    library = pytest.importorskip("standardwebhooks")
    for name, secret, key in (
        ("bigcommerce", "client-secret", b64encode(b"client-secret").decode()),
        ("brex", WHSEC[6:], WHSEC),
    ):
        signed = library.Webhook(key).sign("msg_1", datetime.fromtimestamp(NOW, UTC), TEXT)
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(NOW)),
            "webhook-signature": signed,
        }
        row(name).verify(post(headers=headers), secrets(secret), NOW)
        with pytest.raises(BadSignature):
            row(name).verify(post(b"{}", headers), secrets(secret), NOW)


def test_svix_signs_for_us() -> None:
    webhooks = pytest.importorskip("svix.webhooks")
    signed = webhooks.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(NOW, UTC), TEXT)
    headers = {"svix-id": "msg_1", "svix-timestamp": str(int(NOW)), "svix-signature": signed}
    row("svix").verify(post(headers=headers), secrets(WHSEC), NOW)
    with pytest.raises(BadSignature):
        row("standard_webhooks").verify(post(headers=headers), secrets(WHSEC), NOW)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks/twilio",
        "https://example.com/hooks/twilio?a=1&b=%20",
        "http://example.com:8080/",
    ],
)
def test_twilio_signs_for_us_and_accepts_ours(url: str) -> None:
    """Forms over the URL and their fields, other bodies over the URL that carries their hash."""
    library = pytest.importorskip("twilio.request_validator")
    validator = library.RequestValidator("12345")
    pairs = [
        ("CallSid", "CA123"),
        ("From", "+14158675309"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Body", "ä ß"),
    ]
    fields = MultiDict(pairs)
    form = urlencode(pairs).encode()
    hashed = f"{url}{'&' if '?' in url else '?'}bodySHA256={sha256(BODY).hexdigest()}"
    for called, body, kind, signature in (
        (url, form, "application/x-www-form-urlencoded", validator.compute_signature(url, fields)),
        (hashed, BODY, "application/json", validator.compute_signature(hashed, {})),
    ):
        request = post(
            body,
            {"X-Twilio-Signature": signature, "Content-Type": kind},
            url=called,
            query_string=called.partition("?")[2],
        )
        row("twilio").verify(request, secrets("12345"), NOW)
        with pytest.raises(BadSignature):
            row("twilio").verify(request, secrets("12346"), NOW)
        ours = row("twilio").sign(
            post(body, {"Content-Type": kind}, url=url, query_string=url.partition("?")[2]),
            "12345",
            NOW,
        )
        assert validator.validate(
            ours.url, fields if body == form else BODY.decode(), ours.headers["x-twilio-signature"]
        )


def test_a_pair_that_is_repeated_is_refused_though_twilios_library_accepts_it() -> None:
    """The signature covers the set of pairs, so a request that was seen could be sent again and
    again as another event.
    """
    library = pytest.importorskip("twilio.request_validator")
    validator = library.RequestValidator("12345")
    url = "https://example.com/hooks/twilio"
    pairs = [("CallSid", "CA123"), ("Digits", "1")]
    signature = validator.compute_signature(url, MultiDict(pairs))
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    row("twilio").verify(post(urlencode(pairs).encode(), headers, url=url), secrets("12345"), NOW)
    assert validator.validate(url, MultiDict([*pairs, pairs[1]]), signature)
    with pytest.raises(BadSignature, match="malformed"):
        row("twilio").verify(
            post(urlencode([*pairs, pairs[1]]).encode(), headers, url=url), secrets("12345"), NOW
        )


def test_pynacl_signs_and_discords_library_accepts_ours() -> None:
    """Discord signs with libsodium; its library only verifies."""
    signing = pytest.importorskip("nacl.signing")
    library = pytest.importorskip("discord_interactions")
    public, private = ED25519
    stamp = str(int(NOW))
    made = signing.SigningKey(bytes.fromhex(private)).sign(stamp.encode() + BODY).signature.hex()
    headers = {"X-Signature-Ed25519": made, "X-Signature-Timestamp": stamp}
    for name in ("discord", "discord_events"):
        row(name).verify(post(headers=headers), secrets(public), NOW)
        with pytest.raises(BadSignature):
            row(name).verify(post(BODY + b" ", headers), secrets(public), NOW)
        ours = sender(name).signed()
        assert library.verify_key(
            ours.body,
            ours.headers["x-signature-ed25519"],
            ours.headers["x-signature-timestamp"],
            public,
        )
        assert not library.verify_key(
            ours.body + b" ",
            ours.headers["x-signature-ed25519"],
            ours.headers["x-signature-timestamp"],
            public,
        )
