"""Schemes with key pairs or tokens verify their own requests, and refuse spoiled ones."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from folders import ROOT
from kinds import (
    CONTENTFUL,
    EBAY,
    EC_PRIVATE,
    EC_PUBLIC,
    KINDS,
    NETLIFY,
    PAID,
    PAYPAL,
    PLAID,
    PUBSUB,
    SUBSCRIBED,
    WIX,
    Served,
    kind_request,
    refusal,
    written,
)
from signing import NOW, post, secrets
from tables import for_each

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.pins import pins_of, with_pins
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Unsigned

FILE = ROOT.parent / "shared" / "reference" / "signature_vectors.json.gz"
MAIL = "X-Twilio-Email-Event-Webhook"
ROWS: dict[str, Scheme] = {
    "sendgrid": Ecdsa(at=f"header:{MAIL}-Signature", signed=f"{{h:{MAIL}-Timestamp}}{{body}}"),
    "contentful": CONTENTFUL,
    "netlify": NETLIFY,
    "plaid": PLAID,
    "aws_sns": SUBSCRIBED,
    "paypal": PAID,
}
GARBAGE = [
    "",
    " ",
    "=",
    ".",
    "..",
    "...",
    "AAAA",
    "é",
    "\udcff",
    "\x00",
    "😀",
    "A" * 86,
    "a.b.c",
    "MEUC" * 20,
    "x" * 100_000,
]


def vectors() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    with gzip.open(FILE) as file:
        return [vector for vector in json.load(file)["vectors"] if vector["provider"] in ROWS]


@pytest.mark.skipif(not FILE.exists(), reason="the collected vectors are not beside this checkout")
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_every_vector_on_file_is_judged_right_by_a_row(vector: dict[str, Any]) -> None:
    body = (
        base64.b64decode(vector["body_base64"])
        if "body_base64" in vector
        else vector["body"].encode()
    )
    url = vector.get("url", "https://example.com/hooks/x")
    path, _, query = url.removeprefix("https://example.com").partition("?")
    request = replace(post(body, vector["headers"], url=url, query_string=query), path=path)
    scheme = ROWS[vector["provider"]]
    now = vector.get("now", NOW)
    held = [vector["secret"]]
    keys = Served()
    if vector["provider"] == "aws_sns":
        held = []
        keys = Served(**{json.loads(body)["SigningCertURL"]: vector["certificate_pem"].encode()})
    if vector["provider"] == "paypal":
        scheme = with_pins(PAYPAL, {"webhook_id": vector["secret"]})
        held = [vector["certificate_pem"]]
        now = 1_490_904_245
    try:
        scheme.verify(request, secrets(*held), now, keys)
        accepted = True
    except BadSignature:
        accepted = False
    assert accepted is vector["valid"]


def with_signature(name: str, request: Request, text: str) -> Request:
    """`request` with another text where its signature stands."""
    if KINDS[name].at:
        return replace(request, headers={**request.headers, KINDS[name].at: text})
    if KINDS[name].scheme is WIX:
        return replace(request, body=text.encode("utf-8", "surrogatepass"))
    body = json.dumps({**json.loads(request.body), "Signature": text}).encode(
        "utf-8", "surrogatepass"
    )
    return replace(request, body=body)


@pytest.mark.parametrize("name", KINDS)
class TestEveryKind:
    def test_what_it_signs_it_verifies(self, name: str) -> None:
        kind = KINDS[name]
        kind.scheme.verify(kind_request(name), secrets(kind.secret), NOW)
        kind.scheme.verify(kind_request(name), secrets(kind.wrong, kind.secret), NOW)
        assert kind.scheme.secret_problem(kind.secret) is None

    def test_wrong_key(self, name: str) -> None:
        assert refusal(KINDS[name].scheme, kind_request(name), KINDS[name].wrong) == "mismatch"

    @pytest.mark.parametrize("values", [("",), ("  ",), ("", "\n")])
    def test_no_usable_secret_lets_nothing_in(self, name: str, values: tuple[str, ...]) -> None:
        assert refusal(KINDS[name].scheme, kind_request(name), *values) == "no_secret"
        assert all(KINDS[name].scheme.secret_problem(value) for value in values)

    def test_no_secret_and_no_keys_lets_nothing_in(self, name: str) -> None:
        # missing: the URL of a certificate
        why = {"no_secret"} if KINDS[name].scheme.needs_secret else {"no_key", "missing"}
        assert refusal(KINDS[name].scheme, kind_request(name)) in why

    def test_expired_secret_is_not_used(self, name: str) -> None:
        with pytest.raises(BadSignature, match="no_secret"):
            KINDS[name].scheme.verify(kind_request(name), [Secret(KINDS[name].secret, NOW)], NOW)

    def test_bare_request_is_missing_its_signature(self, name: str) -> None:
        why = "malformed" if KINDS[name].scheme is WIX else "missing"  # any body is a token there
        assert refusal(KINDS[name].scheme, post(KINDS[name].body), KINDS[name].secret) == why

    @for_each("garbage", GARBAGE)
    def test_garbage_for_a_signature_is_refused(self, name: str, garbage: str) -> None:
        request = kind_request(name)
        spoiled = with_signature(name, request, garbage)
        assert refusal(KINDS[name].scheme, spoiled, KINDS[name].secret) in {
            "missing",
            "malformed",
            "mismatch",
        }

    def test_no_other_kinds_signature_is_accepted(self, name: str) -> None:
        for other in KINDS:
            if other != name:
                refusal(KINDS[name].scheme, kind_request(other), KINDS[name].secret)

    def test_changed_body(self, name: str) -> None:
        request = kind_request(name)
        if KINDS[name].covers_body:
            assert (
                refusal(
                    KINDS[name].scheme,
                    replace(request, body=request.body + b" "),
                    KINDS[name].secret,
                )
                == "mismatch"
            )


class TestKeysAsText:
    @pytest.mark.parametrize("form", ["pem", "one_line_pem", "joined_pem", "jwk"])
    def test_every_way_to_write_a_key(self, form: str) -> None:
        Ecdsa(at="header:X-Sig").verify(
            Ecdsa(at="header:X-Sig").sign(post(), written(EC_PRIVATE, form, private=True), NOW),
            secrets(written(EC_PUBLIC, form, private=False)),
            NOW,
        )

    @pytest.mark.parametrize("form", ["der", "pem", "one_line_pem", "jwk"])
    def test_private_key_as_secret_lets_nothing_in(self, form: str) -> None:
        private = EC_PRIVATE if form == "der" else written(EC_PRIVATE, form, private=True)
        assert refusal(KINDS["ecdsa"].scheme, kind_request("ecdsa"), private) == "no_secret"
        problem = KINDS["ecdsa"].scheme.secret_problem(private) or ""
        assert "private key" in problem
        assert private not in problem

    @pytest.mark.parametrize(
        "text",
        [
            "nonsense",
            "{",
            "[]",
            "{}",
            '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
            '{"kty":"EC","crv":"P-256","x":1}',
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
            "MFkw" * 10,
            "A" * 20_000,
            "é",
        ],
    )
    def test_what_is_no_key(self, text: str) -> None:
        problem = KINDS["ecdsa"].scheme.secret_problem(text) or ""
        assert problem.startswith("the secret")
        assert text not in problem
        with pytest.raises(ValueError):
            KINDS["ecdsa"].scheme.sign(post(), text, NOW)

    def test_a_public_key_does_not_sign(self) -> None:
        with pytest.raises(ValueError, match="private key"):
            KINDS["ecdsa"].scheme.sign(post(), EC_PUBLIC, NOW)


class TestListedHeaders:
    """Contentful: the request says which of its headers are signed."""

    def refused(self, **headers: str | None) -> str:
        request = kind_request("contentful")
        changed = {
            **request.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        spoiled = replace(
            request, headers={name: value for name, value in changed.items() if value is not None}
        )
        return refusal(CONTENTFUL, spoiled, "a" * 64)

    def test_listed_header_is_covered(self) -> None:
        assert self.refused(content_type="text/plain") == "mismatch"
        assert self.refused(content_type=None) == "malformed"

    def test_list_itself_and_the_time_must_be_listed(self) -> None:
        assert self.refused(x_contentful_signed_headers=None) == "missing"
        for listed in (
            "",
            ",",
            "content-type",
            "x-contentful-signed-headers",
            "x-contentful-timestamp",
            "x-contentful-signed-headers,é",
        ):
            assert self.refused(x_contentful_signed_headers=listed) in {"missing", "malformed"}

    def test_more_than_is_reasonable(self) -> None:
        listed = "x-contentful-signed-headers,x-contentful-timestamp," + ",".join(
            f"x-{n}" for n in range(5000)
        )
        assert self.refused(x_contentful_signed_headers=listed) == "malformed"

    def test_time(self) -> None:
        assert refusal(CONTENTFUL, kind_request("contentful"), "a" * 64, now=NOW + 31) == "stale"

    def test_path_and_method_are_covered(self) -> None:
        request = kind_request("contentful")
        for spoiled in (
            replace(request, path="/hooks/y"),
            replace(request, method="PUT"),
            replace(request, query_string="a=1"),
        ):
            assert refusal(CONTENTFUL, spoiled, "a" * 64) == "mismatch"


class TestPins:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "needs audience: the audience of"),
            ({"audience": "a"}, "needs email"),
            ({"audience": "a", "email": " "}, "email must be text"),
            ({"audience": "a", "email": []}, "needs email"),
            ({"audience": "a", "email": ["b"] * 101}, "at most 100"),
            (
                {"audience": "a", "email": "b", "topic_arn": "c"},
                "'topic_arn' cannot be pinned; allowed: audience, email",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            with_pins(PUBSUB, given)

    def test_choices(self) -> None:
        assert with_pins(PLAID, {}) == with_pins(PLAID, {"environment": "production"})
        with pytest.raises(ValueError, match="one of production, sandbox"):
            with_pins(PLAID, {"environment": "development"})
        with pytest.raises(ValueError, match="has one value"):
            with_pins(PLAID, {"environment": ["production", "sandbox"]})

    def test_scheme_without_pins(self) -> None:
        assert with_pins(NETLIFY, {}) is NETLIFY
        assert with_pins(KINDS["ecdsa"].scheme, {}) is KINDS["ecdsa"].scheme
        with pytest.raises(ValueError, match="allowed: nothing"):
            with_pins(KINDS["ecdsa"].scheme, {"audience": "x"})
        assert pins_of(None) == pins_of(Unsigned()) == ()


class TestWrapped:
    """eBay: the header is an object in base64. The values are of the tests of
    event-notification-nodejs-sdk, test/test.json.
    """

    key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg=="
    signature = (
        "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0OSIsInNpZ25hdHVyZSI6Ik1FWUNJUUNmeGZJV3V4bVdjSUJRSjljNS9Y"
        "N2lHREpxczJSQ0dzQkVhQWppbnlycmZBSWhBSVY2d0djVGlCdVY1S0pVaWYyaG9reXJMK1E5c3NIa2FkK214Mm5FRTI1dyIsImRpZ2VzdCI6IlNIQTEifQ=="
    )
    body = (
        b'{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":{"notificationId":'
        b'"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d","eventDate":"2021-03-19T20:43:59.462Z","publishDate":'
        b'"2021-03-19T20:43:59.679Z","publishAttemptCount":1,"data":{"username":"test_user","userId":"ma8vp1jySJC","eiasToken":'
        b'"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}'
    )

    def test_published_values(self) -> None:
        request = post(self.body, {"X-EBAY-SIGNATURE": self.signature})
        for key in (self.key, f"-----BEGIN PUBLIC KEY-----{self.key}-----END PUBLIC KEY-----"):
            EBAY.verify(request, secrets(key), NOW)
        assert (
            refusal(EBAY, replace(request, body=self.body.replace(b'"1.0"', b"null")), self.key)
            == "mismatch"
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"digest": "SHA256"},
            {"digest": None},
            {"alg": "none"},
            {"alg": ["ecdsa"]},
            {"signature": None},
            {"signature": 1},
        ],
    )
    def test_object_has_the_required_members(self, change: dict[str, Any]) -> None:
        said = {
            name: value
            for name, value in (json.loads(base64.b64decode(self.signature)) | change).items()
            if value is not None
        }
        spoiled = post(
            self.body, {"X-EBAY-SIGNATURE": base64.b64encode(json.dumps(said).encode()).decode()}
        )
        assert refusal(EBAY, spoiled, self.key) in {"malformed", "missing"}

    @pytest.mark.parametrize("text", [b"", b"[]", b"1", b"{", b"null", b"[" * 2000])
    def test_what_is_no_object(self, text: bytes) -> None:
        spoiled = post(self.body, {"X-EBAY-SIGNATURE": base64.b64encode(text).decode()})
        assert refusal(EBAY, spoiled, self.key) in {"malformed", "missing"}
