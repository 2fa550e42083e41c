"""The kinds of scheme whose keys come in pairs or are tokens: what is theirs verifies, and whatever is spoiled does not."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from authorities import Authority, certificate
from kinds import (
    CONTENTFUL,
    EC_PRIVATE,
    EC_PUBLIC,
    KINDS,
    MONDAY,
    NETLIFY,
    PAID,
    PAYPAL,
    PLAID,
    PUBSUB,
    PUSHED,
    RSA_PRIVATE,
    RSA_PUBLIC,
    SNS,
    SNS_BODY,
    SUBSCRIBED,
    TOPIC,
    kind_request,
)
from signing import NOW, post, secrets

from bridge.errors import BadSignature
from bridge.model import Request
from bridge.signatures import Ask, Ecdsa, Jwt, Scheme, Secret, Unsigned, pinned, pins_of

FILE = Path(__file__).parents[2] / "shared" / "reference" / "signature_vectors.json.gz"
MAIL = "X-Twilio-Email-Event-Webhook"
ROWS: dict[str, Scheme] = {
    "sendgrid": Ecdsa(at=f"header:{MAIL}-Signature", signed=f"{{h:{MAIL}-Timestamp}}{{body}}"),
    "contentful": CONTENTFUL,
    "netlify": NETLIFY,
    "plaid": PLAID,
    "aws_sns": SUBSCRIBED,
    "paypal": PAID,
}
GARBAGE = ["", " ", "=", ".", "..", "...", "AAAA", "é", "\udcff", "\x00", "😀", "A" * 86, "a.b.c", "MEUC" * 20, "x" * 100_000]


def refusal(scheme: Scheme, request: Request, *values: str, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, secrets(*values), now)
    return caught.value.reason


class Served:
    """Keys as a test has them, and what was asked for."""

    def __init__(self, roots: bytes = b"", **documents: bytes) -> None:
        self.documents, self.asked, self.trusted = documents, [], roots

    def fetch(self, ask: Ask, *, again: bool = False) -> bytes | None:
        self.asked.append((ask, again))
        return self.documents.get(ask.url)

    def roots(self) -> bytes:
        return self.trusted


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
    scheme, now, held, keys = ROWS[vector["provider"]], vector.get("now", NOW), [vector["secret"]], Served()
    if vector["provider"] == "aws_sns":
        held, keys = [], Served(**{json.loads(body)["SigningCertURL"]: vector["certificate_pem"].encode()})
    if vector["provider"] == "paypal":
        scheme, held, now = pinned(PAYPAL, {"webhook_id": vector["secret"]}), [vector["certificate_pem"]], 1_490_904_245
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
    body = json.dumps({**json.loads(request.body), "Signature": text}).encode("utf-8", "surrogatepass")
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
        why = {"no_secret"} if KINDS[name].scheme.needs_secret else {"no_key", "missing"}  # missing: the URL of a certificate
        assert refusal(KINDS[name].scheme, kind_request(name)) in why

    def test_expired_secret_is_not_used(self, name: str) -> None:
        with pytest.raises(BadSignature, match="no_secret"):
            KINDS[name].scheme.verify(kind_request(name), [Secret(KINDS[name].secret, NOW)], NOW)

    def test_bare_request_is_missing_its_signature(self, name: str) -> None:
        assert refusal(KINDS[name].scheme, post(KINDS[name].body), KINDS[name].secret) == "missing"

    @pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
    def test_garbage_for_a_signature_is_refused(self, name: str, garbage: str) -> None:
        request = kind_request(name)
        spoiled = with_signature(name, request, garbage)
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


def token(claims: dict[str, Any], key: str = "signing-secret-of-an-app-for-tests", head: dict[str, Any] | None = None) -> Request:
    """A request of monday's whose token was made by another library, or by hand where that one refuses."""
    made = jwt.encode(claims, key, algorithm="HS256", headers=head)
    return post(headers={"authorization": made})


def by_hand(head: Any, claims: Any, key: bytes = b"signing-secret-of-an-app-for-tests") -> str:
    message = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims))
    mac = hmac.new(key, message, "sha256").digest()
    return f"{message.decode()}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


GOOD = {"iat": int(NOW), "exp": int(NOW) + 300}
HEAD = {"alg": "HS256", "typ": "JWT"}


class TestJwt:
    def test_another_library_reads_what_is_signed_here_and_the_reverse(self) -> None:
        pem = written(EC_PUBLIC, "pem", private=False)
        options = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
        for name, key, algorithm in (
            ("monday", "signing-secret-of-an-app-for-tests", "HS256"),
            ("netlify", "a-shared-secret-of-a-site-for-tests", "HS256"),
            ("plaid", pem, "ES256"),
        ):
            made = kind_request(name).headers[KINDS[name].at]
            assert jwt.decode(made, key, algorithms=[algorithm], options=options)["iat"] == NOW
        MONDAY.verify(
            token({**GOOD, "accountId": 1, "aud": "https://example.com/hooks/x"}), secrets("signing-secret-of-an-app-for-tests"), NOW
        )
        claims = {"iat": int(NOW), "request_body_sha256": sha256(post().body).hexdigest()}
        theirs = jwt.encode(claims, written(EC_PRIVATE, "pem", private=True), algorithm="ES256", headers={"kid": "x"})
        PLAID.verify(post(headers={"plaid-verification": theirs}), secrets(EC_PUBLIC), NOW)

    def test_algorithm_is_the_rows_and_never_the_tokens(self) -> None:
        for head in ({"alg": "none"}, {"alg": "None"}, {"alg": "HS512"}, {"alg": "hs256"}, {"alg": ["HS256"]}, {"typ": "JWT"}, {}):
            assert (
                refusal(MONDAY, post(headers={"authorization": by_hand(head, GOOD)}), "signing-secret-of-an-app-for-tests") == "malformed"
            )
        made = by_hand({"alg": "none"}, GOOD).rpartition(".")[0] + "."
        assert refusal(MONDAY, post(headers={"authorization": made}), "signing-secret-of-an-app-for-tests") == "malformed"

    def test_public_key_is_never_used_as_a_shared_one(self) -> None:
        for key in (EC_PUBLIC.encode(), base64.b64decode(EC_PUBLIC), written(EC_PUBLIC, "pem", private=False).encode()):
            claims = {"iat": int(NOW), "request_body_sha256": sha256(post().body).hexdigest()}
            for head in (HEAD, {"alg": "ES256"}):
                forged = post(headers={"plaid-verification": by_hand(head, claims, key)})
                assert refusal(PLAID, forged, EC_PUBLIC) in {"malformed", "mismatch"}

    def test_extensions_that_must_be_understood_are_not(self) -> None:
        assert refusal(MONDAY, post(headers={"authorization": by_hand(HEAD | {"crit": ["b64"], "b64": False}, GOOD)}), "x") == "malformed"

    def test_kid_is_short_printable_text(self) -> None:
        for kid in ("k" * 201, "a\nb", "\x00", 1, None, ["x"], {}):
            assert (
                refusal(MONDAY, post(headers={"authorization": by_hand(HEAD | {"kid": kid}, GOOD)}), "signing-secret-of-an-app-for-tests")
                == "malformed"
            )
        MONDAY.verify(
            post(headers={"authorization": by_hand(HEAD | {"kid": "k" * 200}, GOOD)}), secrets("signing-secret-of-an-app-for-tests"), NOW
        )

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"exp": NOW + 1}, None),
            ({"exp": NOW - 59}, None),
            ({"exp": NOW - 60}, "stale"),
            ({"exp": NOW + 1, "nbf": NOW + 60}, None),
            ({"exp": NOW + 1, "nbf": NOW + 61}, "future"),
            ({"exp": NOW + 100, "iat": NOW + 61}, "future"),
            ({"iat": NOW}, "malformed"),
            ({}, "malformed"),
            ({"exp": True}, "malformed"),
            ({"exp": str(NOW + 1)}, "malformed"),
            ({"exp": [NOW + 1]}, "malformed"),
            ({"exp": 1e300}, "malformed"),
            ({"exp": 10**400}, "malformed"),
            ({"exp": NOW + 1, "nbf": "soon"}, "malformed"),
        ],
    )
    def test_times(self, claims: dict[str, Any], why: str | None) -> None:
        request = post(headers={"authorization": by_hand(HEAD, claims)})
        if why is None:
            MONDAY.verify(request, secrets("signing-secret-of-an-app-for-tests"), NOW)
        else:
            assert refusal(MONDAY, request, "signing-secret-of-an-app-for-tests") == why

    def test_no_time_of_ours_lets_everything_in(self) -> None:
        for now in (float("nan"), float("inf"), float("-inf")):
            assert refusal(MONDAY, kind_request("monday"), "signing-secret-of-an-app-for-tests", now=now) in {"stale", "future"}
            assert refusal(PLAID, kind_request("plaid"), EC_PUBLIC, now=now) in {"stale", "future"}

    def test_age(self) -> None:
        for late, why in ((300, None), (301, "stale"), (-60, None), (-61, "future")):
            if why is None:
                PLAID.verify(kind_request("plaid"), secrets(EC_PUBLIC), NOW + late)
            else:
                assert refusal(PLAID, kind_request("plaid"), EC_PUBLIC, now=NOW + late) == why

    def test_issuer_and_claims(self) -> None:
        for claims in ({"iss": "netlify2"}, {}, {"iss": ["netlify"]}, {"iss": None}):
            made = by_hand(HEAD, claims | {"sha256": sha256(post().body).hexdigest()}, b"s")
            assert refusal(NETLIFY, post(headers={"x-webhook-signature": made}), "s") == "mismatch"
        for spoiled in ({"email_verified": False}, {"email_verified": "true"}, {"email_verified": 1}, {"iss": "https://evil.example"}):
            assert refusal(PUSHED, pushed(**spoiled), RSA_PUBLIC) == "mismatch"

    def test_body_hash_must_be_there_and_whole(self) -> None:
        for said in (None, "", 1, [], "é" * 64, "0" * 63, sha256(b"").hexdigest(), "0" * 64):
            made = by_hand(HEAD, {"iss": "netlify", "sha256": said}, b"s")
            assert refusal(NETLIFY, post(headers={"x-webhook-signature": made}), "s") in {"malformed", "mismatch"}

    def test_pins(self) -> None:
        PUSHED.verify(pushed(), secrets(RSA_PUBLIC), NOW)
        PUSHED.verify(pushed(email="b@p", aud=["x", "https://example.com/hooks/x"]), secrets(RSA_PUBLIC), NOW)
        for spoiled in (
            {"aud": "https://example.com/hooks/y"},
            {"aud": None},
            {"aud": []},
            {"email": "c@p"},
            {"email": ["c@p", 1]},
            {"aud": {}},
        ):
            assert refusal(PUSHED, pushed(**spoiled), RSA_PUBLIC) == "not_pinned"
        assert refusal(PUBSUB, pushed(), RSA_PUBLIC) == "not_pinned", "without pins nobody gets in"

    def test_pin_that_is_not_required(self) -> None:
        bound = pinned(MONDAY, {"audience": "https://example.com/a"})
        bound.verify(token({**GOOD, "aud": "https://example.com/a"}), secrets("signing-secret-of-an-app-for-tests"), NOW)
        assert refusal(bound, token({**GOOD, "aud": "https://example.com/b"}), "signing-secret-of-an-app-for-tests") == "not_pinned"
        assert refusal(bound, token(GOOD), "signing-secret-of-an-app-for-tests") == "not_pinned"

    @pytest.mark.parametrize("spoil", ["{0}=", "{0}.", ".{0}", "{0} ", " {0}", "Bearer {0}", "{0}.{0}", "{0}\n", "{0}A"])
    def test_token_has_one_spelling(self, spoil: str) -> None:
        made = kind_request("monday").headers["authorization"]
        assert refusal(MONDAY, post(headers={"authorization": spoil.format(made)}), "signing-secret-of-an-app-for-tests") in {
            "malformed",
            "mismatch",
        }

    def test_deep_and_huge_tokens(self) -> None:
        deep = base64.urlsafe_b64encode(b"[" * 3000).decode()
        for text in (f"{deep}.{deep}.", "a" * 9000, "." * 8000, f"{'e30' * 2000}.e30.AA"):
            assert refusal(MONDAY, post(headers={"authorization": text}), "signing-secret-of-an-app-for-tests") == "malformed"

    def test_bearer_has_no_case(self) -> None:
        request = pushed()
        lower = request.headers["authorization"].replace("Bearer", "bearer")
        PUSHED.verify(replace(request, headers={"authorization": lower}), secrets(RSA_PUBLIC), NOW)

    def test_tokens_that_cover_no_body_are_credentials(self) -> None:
        assert MONDAY.credentials == PUBSUB.credentials == ("header:authorization",)
        assert NETLIFY.credentials == PLAID.credentials == ()

    @pytest.mark.parametrize(
        "bad", [{"algorithm": "none"}, {"algorithm": "RS512"}, {"algorithm": "HS256"}, {"keys": PUBSUB.keys, "expires": True}]
    )
    def test_row_that_could_not_protect_is_refused_when_it_is_made(self, bad: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            Jwt(**{"algorithm": "HS256", **bad})

    def test_weak_keys(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())):  # noqa: S505 - that is the point
            weak = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            assert "RSA key of 2048" in (PUSHED.secret_problem(weak) or "")
            assert "P-256" in (PLAID.secret_problem(weak) or "")
            assert refusal(PUSHED, pushed(), weak) == "no_secret"

    def test_secret_that_serves_to_fetch(self) -> None:
        assert PLAID.secret_problem("client:secret") is None
        assert "client_id:secret" in (PLAID.secret_problem("neither") or "")
        assert refusal(PLAID, kind_request("plaid"), "client:secret") == "no_key"
        assert PLAID.needs_secret
        assert not PUBSUB.needs_secret


def pushed(**claims: Any) -> Request:
    """A request of Pub/Sub's with claims that may be other than they should."""
    good = {"iss": "https://accounts.google.com", "aud": "https://example.com/hooks/x", "email": "push@p.iam.gserviceaccount.com",
            "email_verified": True, **GOOD}  # fmt: skip
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    loaded: Any = load_der_private_key(base64.b64decode(RSA_PRIVATE), None)
    kept = {name: value for name, value in (good | claims).items() if value is not None}
    message = jwt.PyJWS().encode(json.dumps(kept).encode(), loaded, algorithm="RS256", headers={"kid": "one"})
    return post(headers={"authorization": f"Bearer {message}"})


class TestPins:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "needs audience: the audience of"),
            ({"audience": "a"}, "needs email"),
            ({"audience": "a", "email": " "}, "email must be text"),
            ({"audience": "a", "email": []}, "needs email"),
            ({"audience": "a", "email": ["b"] * 101}, "at most 100"),
            ({"audience": "a", "email": "b", "topic_arn": "c"}, "'topic_arn' cannot be pinned; allowed: audience, email"),
        ],
    )
    def test_what_is_wrong_is_said(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            pinned(PUBSUB, given)

    def test_choices(self) -> None:
        assert pinned(PLAID, {}) == pinned(PLAID, {"environment": "production"})
        with pytest.raises(ValueError, match="one of production, sandbox"):
            pinned(PLAID, {"environment": "development"})
        with pytest.raises(ValueError, match="has one value"):
            pinned(PLAID, {"environment": ["production", "sandbox"]})

    def test_scheme_without_pins(self) -> None:
        assert pinned(NETLIFY, {}) is NETLIFY
        assert pinned(KINDS["ecdsa"].scheme, {}) is KINDS["ecdsa"].scheme
        with pytest.raises(ValueError, match="allowed: nothing"):
            pinned(KINDS["ecdsa"].scheme, {"audience": "x"})
        assert pins_of(None) == pins_of(Unsigned()) == ()


def refused(scheme: Scheme, request: Request, keys: Served, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request, [], now, keys)
    return caught.value.reason


KID = "key-one"
PRIVATE_JWK = json.dumps({**json.loads(written(EC_PRIVATE, "jwk", private=True)), "kid": KID})
PLAID_URL = "https://production.plaid.com/webhook_verification_key/get"


def plaid_answer(**more: Any) -> bytes:
    return json.dumps({"key": {**json.loads(written(EC_PUBLIC, "jwk", private=False)), "kid": KID, "expired_at": None, **more}}).encode()


def google_answer(*kids: str, key: str = RSA_PUBLIC, **more: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    numbers: Any = load_der_public_key(base64.b64decode(key)).public_numbers()  # type: ignore[union-attr]
    size = {"n": 256, "e": 3}
    text = {name: base64.urlsafe_b64encode(getattr(numbers, name).to_bytes(size[name], "big")).decode().rstrip("=") for name in size}
    return json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, **text, **more} for kid in kids]}).encode()


class TestFetchedKeys:
    """What is asked for, and when nothing is."""

    url = "https://www.googleapis.com/oauth2/v3/certs"

    def test_key_set_by_kid(self) -> None:
        keys = Served(**{self.url: google_answer("zero", "one")})
        PUSHED.verify(pushed(), [], NOW, keys)
        assert keys.asked == [(Ask(self.url, self.url), False)]

    def test_unknown_kid_is_asked_for_once_more(self) -> None:
        keys = Served(**{self.url: google_answer("zero")})
        assert refused(PUSHED, pushed(), keys) == "no_key"
        assert [again for _, again in keys.asked] == [False, True]

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"{",
            b"[]",
            b'{"keys": 1}',
            b'{"keys": [1, {}, {"kid": "one"}, {"kid": "one", "kty": "RSA", "n": "AA", "e": "AQAB"}, {"kid": ["one"], "kty": "RSA"}]}',
            google_answer("one", use="enc"),
            google_answer("one", kty="oct", k="AA"),
            google_answer("one", n="A" * 5000),
            google_answer(*(f"k{n}" for n in range(100)), "one"),
        ],
    )
    def test_document_without_a_usable_key(self, document: bytes) -> None:
        assert refused(PUSHED, pushed(), Served(**{self.url: document})) == "no_key"

    def test_another_key_under_the_kid(self) -> None:
        assert refused(PUSHED, pushed(), Served(**{self.url: google_answer("one", key=KINDS["pubsub"].wrong)})) == "mismatch"

    def test_nothing_is_fetched_for_what_could_not_be_good(self) -> None:
        keys = Served()
        for spoiled in ({"aud": "x"}, {"email": "x"}, {"iss": "x"}, {"exp": NOW - 100}, {"iat": NOW + 100}, {"email_verified": False}):
            refused(PUSHED, pushed(**spoiled), keys)
        refused(PUBSUB, pushed(), keys)
        refused(PUSHED, post(headers={"authorization": "Bearer " + by_hand({"alg": "HS256", "kid": "one"}, GOOD)}), keys)
        refused(PUSHED, post(headers={"authorization": "Bearer " + by_hand({"alg": "RS256"}, {})}), keys)
        for spoiled in (post(b"other", kind_request("plaid").headers), post(), post(headers={"plaid-verification": "a.b.c"})):
            with pytest.raises(BadSignature):
                PLAID.verify(spoiled, secrets("client:secret"), NOW, keys)
        with pytest.raises(BadSignature):
            PLAID.verify(kind_request("plaid"), secrets("client:secret"), NOW + 301, keys)
        assert keys.asked == []

    def test_pinned_key_needs_no_other(self) -> None:
        keys = Served()
        PUSHED.verify(pushed(), secrets(RSA_PUBLIC), NOW, keys)
        with pytest.raises(BadSignature, match="mismatch"):
            PUSHED.verify(pushed(), secrets(KINDS["pubsub"].wrong), NOW, Served(**{self.url: google_answer("one")}))
        assert keys.asked == []

    def test_service_that_is_asked_for_one_key(self) -> None:
        request = PLAID.sign(post(), PRIVATE_JWK, NOW)
        keys = Served(**{PLAID_URL: plaid_answer()})
        PLAID.verify(request, secrets("client:se:cret"), NOW, keys)
        ((ask, _),) = keys.asked
        assert json.loads(ask.body) == {"client_id": "client", "secret": "se:cret", "key_id": KID}
        assert "se:cret" not in repr(ask)
        assert "se:cret" not in ask.group
        sandbox = pinned(PLAID, {"environment": "sandbox"})
        with pytest.raises(BadSignature, match="no_key"):
            sandbox.verify(request, secrets("client:secret"), NOW, keys)
        assert keys.asked[-1][0].url == PLAID_URL.replace("production", "sandbox")

    @pytest.mark.parametrize("spoiled", [{"expired_at": 1}, {"kid": "other"}, {"x": "AA"}, {"crv": "P-384"}, {"kty": "RSA"}])
    def test_answer_with_another_key(self, spoiled: dict[str, Any]) -> None:
        with pytest.raises(BadSignature, match="no_key"):
            keys = Served(**{PLAID_URL: plaid_answer(**spoiled)})
            PLAID.verify(PLAID.sign(post(), PRIVATE_JWK, NOW), secrets("client:secret"), NOW, keys)


class TestSns:
    def signed(self, **fields: Any) -> Request:
        body = {name: value for name, value in (json.loads(SNS_BODY) | fields).items() if value is not None}
        return SUBSCRIBED.sign(post(json.dumps(body).encode()), RSA_PRIVATE, NOW)

    def test_versions_and_kinds_of_message(self) -> None:
        for fields in (
            {"SignatureVersion": "1"},
            {"SignatureVersion": "2", "Subject": "s\nMessageId"},
            {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?x"},
        ):
            SUBSCRIBED.verify(self.signed(**fields), secrets(RSA_PUBLIC), NOW)

    def test_fields_added_or_taken_or_changed(self) -> None:
        good = json.loads(self.signed(Subject="s").body)
        for change in (
            {"Subject": None},
            {"Subject": "t"},
            {"Token": "t"},
            {"SubscribeURL": "u"},
            {"Type": "Subscription"},
            {"Message": "m"},
        ):
            body = {name: value for name, value in (good | change).items() if value is not None}
            assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "mismatch"
        for lacking in ("Message", "Type", "MessageId", "Timestamp"):
            body = {name: value for name, value in good.items() if name != lacking}
            assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "missing"

    @pytest.mark.parametrize("version", ["3", "", None, 1, "sha1", ["1"], {}])
    def test_unknown_version(self, version: Any) -> None:
        body = json.loads(self.signed().body) | {"SignatureVersion": version}
        if version == 1:
            return  # a number reads as its text
        keys = Served()
        assert refusal(SUBSCRIBED, post(json.dumps(body).encode()), RSA_PUBLIC) == "malformed"
        assert refused(SUBSCRIBED, post(json.dumps(body).encode()), keys) == "malformed"
        assert keys.asked == []

    def test_topic_is_pinned(self) -> None:
        other = pinned(SNS, {"topic_arn": [TOPIC + "2", TOPIC]})
        other.verify(self.signed(), secrets(RSA_PUBLIC), NOW)
        keys = Served()
        assert refusal(pinned(SNS, {"topic_arn": TOPIC + "2"}), self.signed(), RSA_PUBLIC) == "not_pinned"
        assert refused(pinned(SNS, {"topic_arn": TOPIC + "2"}), self.signed(), keys) == "not_pinned"
        assert refusal(SNS, self.signed(), RSA_PUBLIC) == "not_pinned"
        assert keys.asked == []

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "HTTPS://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.s3.amazonaws.com/SimpleNotificationService-a.pem",
            "https://evil.example/sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-a.pem",
            "https://evil.example#@sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://evil.example\\@sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem?x=.pem",
            "https://sns.us-west-2.amazonaws.com/../SimpleNotificationService-a.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-a.pem\n",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-é.pem",
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-" + "a" * 300 + ".pem",
            "https://sns.us-west-2.amazonaws.com/?Action=Publish",
            "file:///etc/passwd",
            "https://127.0.0.1/SimpleNotificationService-a.pem",
        ],
    )
    def test_certificate_of_another_host_is_not_asked_for(self, url: str) -> None:
        keys = Served()
        assert refused(SUBSCRIBED, self.signed(SigningCertURL=url), keys) == "not_pinned"
        assert refused(SUBSCRIBED, self.signed(SigningCertURL=None), keys) == "missing"
        assert keys.asked == []

    def test_certificate_counts_while_it_is_in_force(self) -> None:
        url = json.loads(SNS_BODY)["SigningCertURL"]
        pem = certificate("sns.amazonaws.com", begins=NOW - 100, ends=NOW + 100)
        keys = Served(**{url: pem})
        for now in (NOW - 100, NOW, NOW + 100):
            SUBSCRIBED.verify(self.signed(), [], now, keys)
            SUBSCRIBED.verify(self.signed(), secrets(pem.decode()), now)
        for now in (NOW - 101, NOW + 101, float("nan"), float("inf"), -1.0, 1e18):
            assert refused(SUBSCRIBED, self.signed(), keys, now) == "no_key"
            assert refusal(SUBSCRIBED, self.signed(), pem.decode(), now=now) == "no_secret"

    @pytest.mark.parametrize("document", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 100])
    def test_what_is_no_certificate(self, document: bytes) -> None:
        url = json.loads(SNS_BODY)["SigningCertURL"]
        assert refused(SUBSCRIBED, self.signed(), Served(**{url: document})) == "no_key"


class TestPayPal:
    url = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
    name = "messageverificationcerts.paypal.com"

    def signed(self) -> Request:
        request = kind_request("paypal")
        return replace(request, headers={**request.headers, "paypal-cert-url": self.url})

    def test_chain_to_a_trusted_root(self) -> None:
        root, middle = Authority("Root"), Authority("Middle")
        middle.signed_by(root)
        pem = certificate(self.name, by=middle) + middle.pem
        PAID.verify(self.signed(), [], NOW, Served(root.pem, **{self.url: pem}))
        elsewhere = Authority("Root")
        for trusted in (b"", b"x", elsewhere.pem):
            assert refused(PAID, self.signed(), Served(trusted, **{self.url: pem})) == "no_key"
        assert refused(PAID, self.signed(), Served(root.pem, **{self.url: certificate(self.name, by=middle)})) == "no_key", "no middle"
        assert refused(PAID, self.signed(), Served(root.pem, **{self.url: certificate(self.name)})) == "no_key", "signed by itself"

    @pytest.mark.parametrize("name", ["paypal.com", "messageverificationcerts.paypal.com.evil.example", "evil.example", "*.paypal.com"])
    def test_certificate_of_another_name(self, name: str) -> None:
        root = Authority("Root")
        pem = certificate(name, by=root)
        good = name.startswith("*")  # a wildcard of PayPal's own covers it, as it would for a host
        if good:
            PAID.verify(self.signed(), [], NOW, Served(root.pem, **{self.url: pem}))
        else:
            assert refused(PAID, self.signed(), Served(root.pem, **{self.url: pem})) == "no_key"

    def test_dates(self) -> None:
        root = Authority("Root")
        keys = Served(root.pem, **{self.url: certificate(self.name, by=root, begins=NOW - 100, ends=NOW + 100)})
        for now in (NOW - 100, NOW + 100):
            PAID.verify(self.signed(), [], now, keys)
        for now in (NOW - 101, NOW + 101):
            assert refused(PAID, self.signed(), keys, now) == "no_key"

    @pytest.mark.parametrize(
        "url",
        [
            "https://www.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/../../x",
            "https://apixpaypal.com/v1/notifications/certs/CERT-1",
            "http://api.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/CERT-1?x",
            "",
        ],
    )
    def test_certificate_of_another_host_is_not_asked_for(self, url: str) -> None:
        request, keys = self.signed(), Served()
        assert refused(PAID, replace(request, headers={**request.headers, "paypal-cert-url": url}), keys) in {"not_pinned", "missing"}
        assert keys.asked == []

    def test_what_is_signed(self) -> None:
        request = self.signed()
        for name in ("paypal-transmission-id", "paypal-transmission-time"):
            spoiled = replace(request, headers={**request.headers, name: "x"})
            assert refusal(PAID, spoiled, RSA_PUBLIC) == "mismatch"
        spoiled = replace(request, headers={**request.headers, "paypal-auth-algo": "SHA1withRSA"})
        assert refusal(PAID, spoiled, RSA_PUBLIC) == "mismatch"
        assert refusal(pinned(PAYPAL, {"webhook_id": "x"}), request, RSA_PUBLIC) == "mismatch"
        assert refusal(PAYPAL, request, RSA_PUBLIC) == "not_pinned"
