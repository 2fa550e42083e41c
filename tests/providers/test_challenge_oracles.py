"""Signed answers to URL tests cannot be used to forge an event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from senders import Sender, chosen, sender, stranger
from signing import post

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.encodings import ENCODERS, unbase64

PUBLIC = "public_key|"
#: provider -> (parameter of the query, what an attacker would like to have signed)
ASKED = {
    "x": (
        "crc_token",
        ["123", "null", "true", "tweet_create_events=buy+now", "a=b/c", "eyJhIjoxfQ=="],
    ),
    "braintree": ("bt_challenge", ["20f9f8ed05f77439fe955c977e4c8a53", "1" * 20]),
    "linkedin": ("challengeCode", ["890e4665-4dfe-4ab1-b689-ed553bceeed0"]),
    "ebay": ("challenge_code", ["123", "null"]),
}
EVIL = "PHN1YnNjcmlwdGlvbi8+"


def asking(name: str) -> Sender:
    one = sender(name)
    if name == "braintree":
        return replace(one, secret=PUBLIC + one.secret)
    return replace(one, secret=f"token:{one.private}") if name == "ebay" else one


def ask(name: str, query: str) -> Request:
    return replace(
        post(b"", url=f"https://example.com/hooks/{name}?{query}", query_string=query), method="GET"
    )


def answered(one: Sender, query: str) -> bytes:
    """What a test of the URL is answered; empty where it is refused."""
    try:
        return one.receive(ask(one.row.name, query))[0].reply.body
    except (BadSignature, Refused):
        return b""


def digests(said: bytes) -> list[bytes]:
    """Everything in an answer that may be a digest."""
    found = [
        bytes.fromhex(text)
        for text in re.findall(r"\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b", said.decode())
    ]
    return found + [unbase64(text) for text in re.findall(r"[A-Za-z0-9+/]{43}=", said.decode())]


def forgeries(one: Sender, token: str, digest: bytes) -> Iterator[Request]:
    """Requests that show the digest of the token as their signature, where the row looks for it and
    in every encoding.
    """
    bodies = [(token, "application/json"), (token, URLENCODED), (token, "text/plain")]
    fields = [
        urlencode({"bt_payload": token}),
        f"bt_payload={token}&bt_payload={EVIL}",
        f"bt_payload={EVIL}&bt_payload={token}",
    ]
    fields += [f"bt_payload={token}%0A", f"bt_payload={token}&kind=x"]
    prefix = getattr(chosen(one)[0], "prefix", "")
    for text in (encode(digest) for encode in ENCODERS.values()):
        headers = dict.fromkeys(
            ("x-twitter-webhooks-signature", "x-li-signature", "x-ebay-signature"), prefix + text
        )
        for body, kind in [
            *bodies,
            *((f"bt_signature={quote(PUBLIC + text)}&{more}", URLENCODED) for more in fields),
        ]:
            yield post(body.encode(), {**headers, "content-type": kind})


@pytest.mark.parametrize(
    ("name", "token"), [(name, token) for name, (_, tokens) in ASKED.items() for token in tokens]
)
def test_a_signed_challenge_is_not_accepted_as_an_event(name: str, token: str) -> None:
    one = asking(name)
    said = answered(one, urlencode({ASKED[name][0]: token}))
    assert digests(said)
    for digest in digests(said):
        for request in forgeries(one, token, digest):
            with pytest.raises(BadSignature):
                one.receive(request)


def test_no_other_row_signs_a_given_text() -> None:
    names = {query for query, _ in ASKED.values()} | {
        "challenge",
        "hub.challenge",
        "validationToken",
        "token",
    }
    asked = [*ASKED["braintree"][1], *ASKED["linkedin"][1]]
    queries = [
        urlencode({"hub.mode": "subscribe", **dict.fromkeys(names, token)}) for token in asked
    ]
    signing = set()
    for name in PROVIDERS:
        one = asking(name)
        other = stranger(sender(name)) if sender(name).is_proven else sender(name)
        other = (
            replace(other, secret=one.secret.replace(sender(name).secret, other.secret))
            if name != "ebay"
            else other
        )
        if any(answered(one, query) != answered(other, query) for query in queries):
            signing.add(name)
    assert signing == set(ASKED)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("braintree", "bt_payload=PHN1YnNjcmlwdGlvbi8%2B"),
        ("braintree", "bt_signature=a%7Cb"),
        ("mailchimp", "token=x"),
        ("pandadoc", "signature=ab"),
    ],
)
def test_a_field_that_is_looked_at_and_comes_twice_is_refused(name: str, fields: str) -> None:
    """One of the two would be verified, and the other stand in the event beside it."""
    one = sender(name)
    signed = one.signed()
    one.verify(signed)
    if fields.startswith("bt_"):
        twice = replace(signed, body=signed.body + b"&" + fields.encode())
    else:
        query = f"{signed.query_string}&{fields}"
        twice = replace(signed, query_string=query, url=f"{signed.url.partition('?')[0]}?{query}")
    with pytest.raises(BadSignature, match="malformed"):
        one.verify(twice)
