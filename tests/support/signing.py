"""Signed requests of every scheme, for the tests of signatures."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.http_messages import Request
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.header_formats import Pairs, Positional
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.timestamps import Timestamp

NOW = 1_700_000_000.0
BODY = '{"id":"evt_1","type":"thing.made","data":{"name":"Zoë ✓"}}'.encode()
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# the public test pair printed in the svix-webhooks README
WHPK = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
WHSK = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)


@dataclass(frozen=True)
class Case:
    """A scheme with a secret to verify and one to sign (the same unless the keys are a pair)."""

    scheme: Scheme
    secret: str
    private: str = ""

    def signed(self, request: Request | None = None, now: float = NOW) -> Request:
        return self.scheme.sign(request or post(), self.private or self.secret, now)


def post(body: bytes = BODY, headers: Mapping[str, str] | None = None, **more: str) -> Request:
    lower = {
        name.lower(): value
        for name, value in (headers or {"content-type": "application/json"}).items()
    }
    return Request(
        method="POST",
        path="/hooks/x",
        url=more.pop("url", "https://example.com/hooks/x"),
        headers=lower,
        body=body,
        **more,
    )


def secrets(*values: str) -> list[Secret]:
    return [Secret(value) for value in values]


def row(name: str) -> Scheme:
    scheme = PROVIDERS[name].scheme
    assert scheme is not None
    return scheme


def headers_time(unit: str) -> Hmac:
    return Hmac(
        at="header:X-Sig", signed="{h:X-Time}.{body}", timestamp=Timestamp("header:X-Time", unit)
    )


CASES = {
    "github": Case(row("github"), "It's a Secret to Everybody"),
    "stripe": Case(row("stripe"), "whsec_test_secret"),
    "slack": Case(row("slack"), "8f742231b10e8888abcd99yyyzzz85a5"),
    "standard_webhooks": Case(row("standard_webhooks"), WHSEC),
    "standard_webhooks_v1a": Case(row("standard_webhooks"), WHPK, WHSK),
    "svix": Case(row("svix"), WHSEC),
    "token": Case(row("token"), "a-long-random-token"),
    "basic": Case(row("basic"), "hook:pass:word"),
    "hmac": Case(Hmac(at="header:X-Signature", prefix="sha256="), "shared"),
    "hmac_timed": Case(
        Hmac(
            at="header:X-Signature",
            algorithm="sha512",
            encoding="base64",
            signed="{timestamp}.{body}",
            timestamp=Timestamp("header:X-Timestamp", "ms", 60),
        ),
        "shared",
    ),
    "token_query": Case(SharedToken(at="query:token"), "tokén"),
    "form_field": Case(
        Hmac(
            at="form:sig",
            signed="{f:payload}",
            key="sha1",
            algorithm="sha1",
            parse=Pairs("*", "&", "|"),
        ),
        "shared",
    ),
    "json_field": Case(
        Hmac(
            at="body:signature.mac",
            signed="{json:signature.timestamp}{json:id}",
            timestamp=Timestamp("body:signature.timestamp"),
        ),
        "shared",
    ),
    "query": Case(Hmac(at="query:signature", encoding="base64url"), "shared"),
    "numbered": Case(Hmac(at="header:X-DocuSign-Signature-*", encoding="base64"), "shared"),
    "positional": Case(
        Hmac(
            at="header:X-Sig",
            parse=Positional(),
            signed="{timestamp}.{body}",
            timestamp=Timestamp("label:0"),
        ),
        "shared",
    ),
    "plain_digest": Case(
        Hmac(at="header:X-Sig", plain=True, signed="{secret}{method}{url}{body}"), "shared"
    ),
    "ed25519_hex": Case(
        Ed25519(at="header:X-Sig", signed="{h:X-Time}{body}", timestamp=Timestamp("header:X-Time")),
        b64decode(WHPK[5:]).hex(),
        b64decode(WHSK[5:])[:32].hex(),
    ),
    "iso": Case(headers_time("iso8601"), "shared"),
    "rfc3339": Case(headers_time("rfc3339"), "shared"),
    "http_date": Case(headers_time("http_date"), "shared"),
    "required": Case(Hmac(at="header:X-Sig", requires=(("header:X-Version", "1"),)), "shared"),
    "url_and_form": Case(
        Hmac(
            at="header:X-Sig",
            signed=("{url}{form_sorted}", "{url_other_port}{form_sorted}"),
            algorithm="sha1",
            encoding="base64",
            body_sha256="query:bodySHA256",
        ),
        "shared",
    ),
}
TIMED = (
    "stripe",
    "slack",
    "standard_webhooks",
    "standard_webhooks_v1a",
    "svix",
    "hmac_timed",
    "json_field",
    "positional",
    "ed25519_hex",
    "iso",
    "rfc3339",
    "http_date",
)
COVERS_BODY = tuple(
    name
    for name in CASES
    if name not in ("token", "basic", "token_query", "json_field", "form_field")
)


def case_request(name: str, body: bytes = BODY, now: float = NOW) -> Request:
    """Return a request that the case `name` accepts at `now`."""
    if name == "form_field":
        body = b"payload=a%2Bb"
        return CASES[name].signed(
            post(body, {"content-type": "application/x-www-form-urlencoded"}), now
        )
    return CASES[name].signed(post(body), now)
