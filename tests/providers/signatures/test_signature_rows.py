"""Each row verifies the vectors of its provider, and each provider with vectors has a row."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from folders import ROOT
from senders import sender
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.providers.handshakes.general import verify_token
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.pins import pins_of, with_pins

FILE = ROOT.parent / "shared" / "reference" / "signature_vectors.json.gz"
#: Good by a scheme that its sender has replaced by a stronger one: the row knows the stronger one
#: only.
SUPERSEDED = {"hubspot-v1", "hubspot-v2-get", "hubspot-v2-post", "twilio-form-duplicates"}
#: What is pinned where a vector is of one topic, webhook or the like.
PINNED: dict[str, Callable[[dict[str, Any]], str]] = {
    "topic_arn": lambda vector: json.loads(vector["body"])["TopicArn"],
    "webhook_id": lambda vector: vector["secret"],
}
#: When a vector that names no moment was made, where that counts: PayPal's certificate has run out.
WHEN = {"paypal": 1_490_904_245}
here = pytest.mark.skipif(
    not FILE.exists(), reason="the collected vectors are not beside this checkout"
)


def on_file() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    with gzip.open(FILE) as file:
        return [vector for vector in json.load(file)["vectors"] if vector["provider"] != "generic"]


def of_rows() -> list[dict[str, Any]]:
    return [
        vector
        for vector in on_file()
        if vector["type"] == "delivery" and vector["provider"] in PROVIDERS
    ]


@here
@pytest.mark.parametrize("vector", of_rows(), ids=lambda vector: vector["id"])
def test_every_vector_on_file_is_judged_right_by_the_row(vector: dict[str, Any]) -> None:
    body = (
        base64.b64decode(vector["body_base64"])
        if "body_base64" in vector
        else vector["body"].encode()
    )
    url = vector.get("url", "https://example.com/")
    parts = urlsplit(url)
    now = vector.get("now", WHEN.get(vector["provider"], NOW))
    sent = post(body, vector["headers"], url=url, query_string=parts.query)
    request = replace(sent, method=vector.get("method", "POST"), path=parts.path)
    row = PROVIDERS[vector["provider"]]
    assert row.scheme is not None
    pins = {pin.name: PINNED[pin.name](vector) for pin in pins_of(row.scheme) if pin.required}
    scheme = with_pins(row.scheme, pins)
    held = vector.get("certificate_pem", vector["secret"])
    if vector["valid"] and vector["id"] not in SUPERSEDED:
        scheme.verify(request, secrets(held), now)
        return
    with pytest.raises(BadSignature):
        scheme.verify(request, secrets(held), now)


@here
def test_every_provider_on_file_is_a_row() -> None:
    assert {vector["provider"] for vector in on_file()} - set(PROVIDERS) == set()


def asked_of_urls() -> list[dict[str, Any]]:
    # whose secrets are more than one text: they have tests of their own
    known = set(PROVIDERS) - {"braintree", "ebay", "strava"}
    return [
        vector
        for vector in on_file()
        if vector["type"] != "delivery" and vector["provider"] in known
    ]


@here
@pytest.mark.parametrize("vector", asked_of_urls(), ids=lambda vector: vector["id"])
def test_every_test_of_a_url_on_file_is_answered_as_its_sender_wants(
    vector: dict[str, Any],
) -> None:
    """What teaches a source its secret has tests of its own."""
    one = sender(vector["provider"])
    one = replace(
        one, secret=vector["secret"] or one.secret, private=vector["secret"] or one.private
    )
    asked = vector.get("query", {})
    query = urlencode(
        asked | ({"hub.verify_token": verify_token(one.secret)} if "hub.mode" in asked else {})
    )
    headers = vector["headers"] or {"content-type": "application/json"}
    request = post(
        vector["body"].encode(),
        headers,
        url=f"https://example.com/hooks/x?{query}",
        query_string=query,
    )
    request = replace(request, method=vector.get("method", "POST"))
    if any(shake.signed and request.method in shake.methods for shake in one.row.handshakes):
        request = one.sign(request)
    if one.row.learn is not None:
        return
    received, events = one.receive(request)
    assert not events
    assert received.reply.status == vector.get("expected_response_status", 200)
    text = received.reply.body.decode()
    wanted = vector.get("expected_response_body", "")
    if vector["provider"] == "slack":  # takes the bare text, or this
        wanted = json.dumps({"challenge": wanted})
    assert (
        json.loads(text) == json.loads(wanted)
        if "json" in received.reply.content_type
        else text == wanted
    )
