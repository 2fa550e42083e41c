"""Schemes as a source's `verify:` describes them: what may be said, and what is said of mistakes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from signing import CASES, NOW, post, secrets

from bridge.signatures import scheme_of


def test_an_hmac_of_the_documented_keys() -> None:
    scheme = scheme_of(
        "hmac",
        {
            "header": "X-Signature",
            "algorithm": "sha256",
            "encoding": "hex",
            "prefix": "sha256=",
            "signed": "{timestamp}.{body}",
            "timestamp": {"header": "X-Timestamp", "unit": "s", "tolerance": 300},
        },
    )
    scheme.verify(scheme.sign(post(), "s", NOW), secrets("s"), NOW)


def test_a_list_such_as_stripes() -> None:
    scheme = scheme_of("hmac", {"header": "X-Sig", "label": "v1", "signed": "{t}.{body}", "timestamp": {"label": "t"}})
    stripes = CASES["stripe"].scheme.sign(post(), "s", NOW).headers["stripe-signature"]
    scheme.verify(post(headers={"x-sig": stripes}), secrets("s"), NOW)


@pytest.mark.parametrize(
    ("verify", "says"),
    [
        ({}, "exactly one of header, query, form, body"),
        ({"header": "X", "query": "y"}, "exactly one"),
        ({"header": 5}, "exactly one"),
        ({"header": "X", "colour": 1}, "'colour' is unknown; allowed are header"),
        ({"header": "X", "algorithm": "md5"}, "allowed are sha1, sha256, sha512"),
        ({"header": "X", "algorithm": 5}, "algorithm must be text"),
        ({"header": "X", "encoding": "rot13"}, "allowed are hex, base64, base64url"),
        ({"header": "X", "key": "pem"}, "allowed are utf8, hex, base64, whsec, sha1"),
        ({"header": "X", "signed": "{boddy}"}, "{boddy} is unknown; allowed are {body}"),
        ({"header": "X", "signed": "{body"}, "not closed"),
        ({"header": "X", "signed": ""}, "something that is signed"),
        ({"header": "X", "signed": "{secret}{body}"}, "plain digest"),
        ({"header": "X", "separator": ";"}, "needs the label"),
        ({"header": "X", "timestamp": 5}, "must be a mapping"),
        ({"header": "X", "timestamp": {"header": "T"}}, "does not cover the time"),
        ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "unit": "h"}}, "allowed are s, ms"),
        ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": 0}}, "more than 0"),
        ({"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": True}}, "must be a number"),
        (
            {"header": "X", "signed": "{timestamp}{body}", "timestamp": {"header": "T", "tolerance": float("nan")}},
            "more than 0",
        ),
        ({"header": "a b"}, "no header name"),
    ],
)
def test_mistakes_say_what_is_allowed(verify: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        scheme_of("hmac", verify)


def test_token_and_basic() -> None:
    token = scheme_of("token", {"query": "token"})
    token.verify(token.sign(post(), "s", NOW), secrets("s"), NOW)
    assert scheme_of("basic", {}).credentials == ("header:authorization",)
    with pytest.raises(ValueError, match="no keys at all"):
        scheme_of("basic", {"header": "X"})
    with pytest.raises(ValueError, match="only hmac, token, basic"):
        scheme_of("github", {"header": "X"})
