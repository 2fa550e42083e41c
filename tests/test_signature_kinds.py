"""The kinds of scheme whose keys come in pairs or are tokens: what is theirs verifies, and whatever is spoiled does not."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kinds import CONTENTFUL, EC_PRIVATE, EC_PUBLIC, KINDS, kind_request
from signing import NOW, post, secrets

from bridge.errors import BadSignature
from bridge.model import Request
from bridge.signatures import Ecdsa, Scheme, Secret

FILE = Path(__file__).parents[2] / "shared" / "reference" / "signature_vectors.json.gz"
MAIL = "X-Twilio-Email-Event-Webhook"
ROWS: dict[str, Scheme] = {
    "sendgrid": Ecdsa(at=f"header:{MAIL}-Signature", signed=f"{{h:{MAIL}-Timestamp}}{{body}}"),
    "contentful": CONTENTFUL,
}
GARBAGE = ["", " ", "=", ".", "..", "...", "AAAA", "é", "\udcff", "\x00", "😀", "A" * 86, "a.b.c", "MEUC" * 20, "x" * 100_000]


def refusal(scheme: Scheme, request: Request, *values: str, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, secrets(*values), now)
    return caught.value.reason


def vectors() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    with gzip.open(FILE) as file:
        return [vector for vector in json.load(file)["vectors"] if vector["provider"] in ROWS]


@pytest.mark.skipif(not FILE.exists(), reason="the collected vectors are not beside this checkout")
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_every_vector_on_file_is_judged_right_by_a_row(vector: dict[str, Any]) -> None:
    body = base64.b64decode(vector["body_base64"]) if "body_base64" in vector else vector["body"].encode()
    url = vector.get("url", "https://example.com/hooks/x")
    path, _, query = url.removeprefix("https://example.com").partition("?")
    request = replace(post(body, vector["headers"], url=url, query_string=query), path=path)
    scheme, now = ROWS[vector["provider"]], vector.get("now", NOW)
    if vector["valid"]:
        scheme.verify(request, secrets(vector["secret"]), now)
    else:
        refusal(scheme, request, vector["secret"], now=now)


@pytest.mark.parametrize("name", KINDS)
class TestEveryKind:
    def test_what_it_signs_it_verifies(self, name: str) -> None:
        kind = KINDS[name]
        kind.scheme.verify(kind_request(name), secrets(kind.secret), NOW)
        kind.scheme.verify(kind_request(name), secrets(kind.wrong, kind.secret), NOW)
        assert kind.scheme.secret_problem(kind.secret) is None

    def test_wrong_key(self, name: str) -> None:
        assert refusal(KINDS[name].scheme, kind_request(name), KINDS[name].wrong) == "mismatch"

    @pytest.mark.parametrize("values", [(), ("",), ("  ",), ("", "\n")])
    def test_no_usable_secret_lets_nothing_in(self, name: str, values: tuple[str, ...]) -> None:
        assert refusal(KINDS[name].scheme, kind_request(name), *values) == "no_secret"
        assert all(KINDS[name].scheme.secret_problem(value) for value in values)

    def test_expired_secret_is_not_used(self, name: str) -> None:
        with pytest.raises(BadSignature, match="no_secret"):
            KINDS[name].scheme.verify(kind_request(name), [Secret(KINDS[name].secret, NOW)], NOW)

    def test_bare_request_is_missing_its_signature(self, name: str) -> None:
        assert refusal(KINDS[name].scheme, post(), KINDS[name].secret) == "missing"

    @pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
    def test_garbage_for_a_signature_is_refused(self, name: str, garbage: str) -> None:
        request = kind_request(name)
        spoiled = replace(request, headers={**request.headers, KINDS[name].at: garbage})
        assert refusal(KINDS[name].scheme, spoiled, KINDS[name].secret) in {"missing", "malformed", "mismatch"}

    def test_no_other_kinds_signature_is_accepted(self, name: str) -> None:
        for other in KINDS:
            if other != name:
                refusal(KINDS[name].scheme, kind_request(other), KINDS[name].secret)

    def test_changed_body(self, name: str) -> None:
        request = kind_request(name)
        if KINDS[name].covers_body:
            assert refusal(KINDS[name].scheme, replace(request, body=request.body + b" "), KINDS[name].secret) == "mismatch"


class TestKeysAsText:
    @pytest.mark.parametrize("form", ["pem", "one_line_pem", "jwk"])
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
        "text", ["nonsense", "{", "[]", "{}", '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', '{"kty":"EC","crv":"P-256","x":1}',
                 "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "MFkw" * 10, "A" * 20_000, "é"]
    )  # fmt: skip
    def test_what_is_no_key(self, text: str) -> None:
        problem = KINDS["ecdsa"].scheme.secret_problem(text) or ""
        assert problem.startswith("the secret")
        assert text not in problem
        with pytest.raises(ValueError):
            KINDS["ecdsa"].scheme.sign(post(), text, NOW)

    def test_a_public_key_does_not_sign(self) -> None:
        with pytest.raises(ValueError, match="private key"):
            KINDS["ecdsa"].scheme.sign(post(), EC_PUBLIC, NOW)


def written(key: str, form: str, *, private: bool) -> str:
    """`key` (base64 of DER) in another form."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

    raw = base64.b64decode(key)
    if form == "jwk":
        if private:
            numbers = load_der_private_key(raw, None).private_numbers()  # type: ignore[union-attr]
            return json.dumps(jwk(numbers.public_numbers) | {"d": b64url(numbers.private_value)})  # type: ignore[union-attr]
        return json.dumps(jwk(load_der_public_key(raw).public_numbers()))  # type: ignore[union-attr]
    label = "PRIVATE KEY" if private else "PUBLIC KEY"
    pem = f"-----BEGIN {label}-----\n{base64.encodebytes(raw).decode()}-----END {label}-----\n"
    return pem if form == "pem" else pem.replace("\n", "\\n")


def jwk(numbers: Any) -> dict[str, str]:
    return {"kty": "EC", "crv": "P-256", "x": b64url(numbers.x), "y": b64url(numbers.y)}


def b64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")


class TestListedHeaders:
    """Contentful: the request says which of its headers are signed."""

    def refused(self, **headers: str | None) -> str:
        request = kind_request("contentful")
        changed = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        spoiled = replace(request, headers={name: value for name, value in changed.items() if value is not None})
        return refusal(CONTENTFUL, spoiled, "a" * 64)

    def test_listed_header_is_covered(self) -> None:
        assert self.refused(content_type="text/plain") == "mismatch"
        assert self.refused(content_type=None) == "malformed"

    def test_list_itself_and_the_time_must_be_listed(self) -> None:
        assert self.refused(x_contentful_signed_headers=None) == "missing"
        for listed in ("", ",", "content-type", "x-contentful-signed-headers", "x-contentful-timestamp", "x-contentful-signed-headers,é"):
            assert self.refused(x_contentful_signed_headers=listed) in {"missing", "malformed"}

    def test_more_than_is_reasonable(self) -> None:
        listed = "x-contentful-signed-headers,x-contentful-timestamp," + ",".join(f"x-{n}" for n in range(5000))
        assert self.refused(x_contentful_signed_headers=listed) == "malformed"

    def test_time(self) -> None:
        assert refusal(CONTENTFUL, kind_request("contentful"), "a" * 64, now=NOW + 31) == "stale"

    def test_path_and_method_are_covered(self) -> None:
        request = kind_request("contentful")
        for spoiled in (replace(request, path="/hooks/y"), replace(request, method="PUT"), replace(request, query_string="a=1")):
            assert refusal(CONTENTFUL, spoiled, "a" * 64) == "mismatch"
