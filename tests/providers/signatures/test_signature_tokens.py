"""JSON Web Tokens: a token chooses neither its algorithm nor its key; keys are fetched last."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

import jwt
import pytest
from kinds import (
    EC_PRIVATE,
    EC_PUBLIC,
    KINDS,
    MONDAY,
    NETLIFY,
    PLAID,
    PUBSUB,
    PUSHED,
    RSA_PRIVATE,
    RSA_PUBLIC,
    WIX,
    Served,
    kind_request,
    refusal,
    refused,
    written,
)
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.jwt import Jwt, unwrap_event
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.providers.signatures.pins import with_pins


def token(
    claims: dict[str, Any],
    key: str = "signing-secret-of-an-app-for-tests",
    head: dict[str, Any] | None = None,
) -> Request:
    """A request of monday's whose token was made by another library, or by hand where that one
    refuses.
    """
    made = jwt.encode(claims, key, algorithm="HS256", headers=head)
    return post(headers={"authorization": made})


def by_hand(head: Any, claims: Any, key: bytes = b"signing-secret-of-an-app-for-tests") -> str:
    message = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)
    )
    mac = hmac.new(key, message, "sha256").digest()
    return f"{message.decode()}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


GOOD = {"iat": int(NOW), "exp": int(NOW) + 300}
HEAD = {"alg": "HS256", "typ": "JWT"}


@cache
def rsa_key() -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(base64.b64decode(RSA_PRIVATE), None)


def pushed(**claims: Any) -> Request:
    """A request of Pub/Sub's with claims that may be other than they should."""
    good = {
        "iss": "https://accounts.google.com",
        "aud": "https://example.com/hooks/x",
        "email": "push@p.iam.gserviceaccount.com",
        "email_verified": True,
        **GOOD,
    }
    kept = {name: value for name, value in (good | claims).items() if value is not None}
    message = jwt.PyJWS().encode(
        json.dumps(kept).encode(), rsa_key(), algorithm="RS256", headers={"kid": "one"}
    )
    return post(headers={"authorization": f"Bearer {message}"})


class TestJwt:
    def test_tokens_are_compatible_with_another_library(self) -> None:
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
            token({**GOOD, "accountId": 1, "aud": "https://example.com/hooks/x"}),
            secrets("signing-secret-of-an-app-for-tests"),
            NOW,
        )
        claims = {"iat": int(NOW), "request_body_sha256": sha256(post().body).hexdigest()}
        theirs = jwt.encode(
            claims,
            written(EC_PRIVATE, "pem", private=True),
            algorithm="ES256",
            headers={"kid": "x"},
        )
        PLAID.verify(post(headers={"plaid-verification": theirs}), secrets(EC_PUBLIC), NOW)

    @pytest.mark.parametrize(
        "change",
        [
            lambda raw: raw[:32] + b"\0" + raw[32:],
            lambda raw: b"\0" + raw,
            lambda raw: raw + b"\0",
            lambda raw: raw[:63],
        ],
    )
    def test_a_signature_by_es256_is_64_bytes(self, change: Callable[[bytes], bytes]) -> None:
        made = kind_request("plaid").headers["plaid-verification"]
        message, _, signature = made.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        written_again = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        PLAID.verify(
            post(headers={"plaid-verification": f"{message}.{written_again}"}),
            secrets(EC_PUBLIC),
            NOW,
        )
        changed = base64.urlsafe_b64encode(change(raw)).decode().rstrip("=")
        assert refusal(
            PLAID, post(headers={"plaid-verification": f"{message}.{changed}"}), EC_PUBLIC
        ) in ("malformed", "mismatch")

    def test_algorithm_is_the_rows_and_never_the_tokens(self) -> None:
        for head in (
            {"alg": "none"},
            {"alg": "None"},
            {"alg": "HS512"},
            {"alg": "hs256"},
            {"alg": ["HS256"]},
            {"typ": "JWT"},
            {},
        ):
            assert (
                refusal(
                    MONDAY,
                    post(headers={"authorization": by_hand(head, GOOD)}),
                    "signing-secret-of-an-app-for-tests",
                )
                == "malformed"
            )
        made = by_hand({"alg": "none"}, GOOD).rpartition(".")[0] + "."
        assert (
            refusal(
                MONDAY, post(headers={"authorization": made}), "signing-secret-of-an-app-for-tests"
            )
            == "malformed"
        )

    def test_public_key_is_never_used_as_a_shared_one(self) -> None:
        for key in (
            EC_PUBLIC.encode(),
            base64.b64decode(EC_PUBLIC),
            written(EC_PUBLIC, "pem", private=False).encode(),
        ):
            claims = {"iat": int(NOW), "request_body_sha256": sha256(post().body).hexdigest()}
            for head in (HEAD, {"alg": "ES256"}):
                forged = post(headers={"plaid-verification": by_hand(head, claims, key)})
                assert refusal(PLAID, forged, EC_PUBLIC) in {"malformed", "mismatch"}

    def test_extensions_that_must_be_understood_are_not(self) -> None:
        assert (
            refusal(
                MONDAY,
                post(
                    headers={"authorization": by_hand(HEAD | {"crit": ["b64"], "b64": False}, GOOD)}
                ),
                "x",
            )
            == "malformed"
        )

    @pytest.mark.parametrize(
        "more",
        [
            {"crit": ["exp"]},
            {"crit": []},
            {"crit": "exp"},
            {"crit": None},
            {"b64": False},
            {"typ": 1},
            {"x5c": "x"},
            {"jwk": []},
        ],
    )
    def test_a_header_of_another_form_proves_nothing(self, more: dict[str, Any]) -> None:
        request = post(headers={"authorization": by_hand(HEAD | more, GOOD)})
        assert refusal(MONDAY, request, "signing-secret-of-an-app-for-tests") in {
            "malformed",
            "mismatch",
        }

    @pytest.mark.parametrize("head", [[], ["alg", "b64"], "alg", "alg b64", 1, None, True], ids=str)
    def test_a_header_is_an_object(self, head: Any) -> None:
        request = post(headers={"authorization": by_hand(head, GOOD)})
        assert refusal(MONDAY, request, "signing-secret-of-an-app-for-tests") == "malformed"

    def test_a_header_is_bounded_in_size_and_depth_where_the_token_is_the_body(self) -> None:
        deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 6000).rstrip(b"=")
        large = base64.urlsafe_b64encode(
            json.dumps({"alg": "RS256", "x": "x" * 9000}).encode()
        ).rstrip(b"=")
        for head in (deep, large):
            assert refusal(WIX, post(head + b".e30.c2ln"), RSA_PUBLIC) == "malformed"

    @pytest.mark.parametrize("form", ["pem", "der"])
    def test_a_public_key_of_the_row_checks_no_token_of_another_algorithm(self, form: str) -> None:
        made = jwt.PyJWS().encode(
            json.dumps(GOOD).encode(), rsa_key(), algorithm="RS512", headers={"kid": "one"}
        )
        key = RSA_PUBLIC if form == "der" else written(RSA_PUBLIC, form, private=False)
        assert (
            refusal(PUSHED, post(headers={"authorization": f"Bearer {made}"}), key) == "malformed"
        )

    def test_a_shared_secret_is_no_public_key(self) -> None:
        pem = written(RSA_PUBLIC, "pem", private=False)
        assert "is a public key" in (MONDAY.secret_problem(pem) or "")
        assert (
            refusal(MONDAY, post(headers={"authorization": by_hand(HEAD, GOOD, pem.encode())}), pem)
            == "no_secret"
        )

    def test_kid_is_short_printable_text(self) -> None:
        for kid in ("k" * 201, "a\nb", "\x00", 1, None, ["x"], {}):
            assert (
                refusal(
                    MONDAY,
                    post(headers={"authorization": by_hand(HEAD | {"kid": kid}, GOOD)}),
                    "signing-secret-of-an-app-for-tests",
                )
                == "malformed"
            )
        MONDAY.verify(
            post(headers={"authorization": by_hand(HEAD | {"kid": "k" * 200}, GOOD)}),
            secrets("signing-secret-of-an-app-for-tests"),
            NOW,
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
            assert refusal(
                MONDAY, kind_request("monday"), "signing-secret-of-an-app-for-tests", now=now
            ) in {"stale", "future"}
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
        for spoiled in (
            {"email_verified": False},
            {"email_verified": "true"},
            {"email_verified": 1},
            {"iss": "https://evil.example"},
        ):
            assert refusal(PUSHED, pushed(**spoiled), RSA_PUBLIC) == "mismatch"

    def test_body_hash_must_be_there_and_whole(self) -> None:
        for said in (None, "", 1, [], "é" * 64, "0" * 63, sha256(b"").hexdigest(), "0" * 64):
            made = by_hand(HEAD, {"iss": "netlify", "sha256": said}, b"s")
            assert refusal(NETLIFY, post(headers={"x-webhook-signature": made}), "s") in {
                "malformed",
                "mismatch",
            }

    def test_pins(self) -> None:
        PUSHED.verify(pushed(), secrets(RSA_PUBLIC), NOW)
        PUSHED.verify(
            pushed(email="b@p", aud=["x", "https://example.com/hooks/x"]), secrets(RSA_PUBLIC), NOW
        )
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
        bound = with_pins(MONDAY, {"audience": "https://example.com/a"})
        bound.verify(
            token({**GOOD, "aud": "https://example.com/a"}),
            secrets("signing-secret-of-an-app-for-tests"),
            NOW,
        )
        assert (
            refusal(
                bound,
                token({**GOOD, "aud": "https://example.com/b"}),
                "signing-secret-of-an-app-for-tests",
            )
            == "not_pinned"
        )
        assert refusal(bound, token(GOOD), "signing-secret-of-an-app-for-tests") == "not_pinned"

    @pytest.mark.parametrize(
        "spoil", ["{0}=", "{0}.", ".{0}", "{0} ", " {0}", "Bearer {0}", "{0}.{0}", "{0}\n", "{0}A"]
    )
    def test_token_has_one_spelling(self, spoil: str) -> None:
        made = kind_request("monday").headers["authorization"]
        assert refusal(
            MONDAY,
            post(headers={"authorization": spoil.format(made)}),
            "signing-secret-of-an-app-for-tests",
        ) in {
            "malformed",
            "mismatch",
        }

    def test_deep_and_huge_tokens(self) -> None:
        deep = base64.urlsafe_b64encode(b"[" * 3000).decode()
        for text in (f"{deep}.{deep}.", "a" * 9000, "." * 8000, f"{'e30' * 2000}.e30.AA"):
            assert (
                refusal(
                    MONDAY,
                    post(headers={"authorization": text}),
                    "signing-secret-of-an-app-for-tests",
                )
                == "malformed"
            )

    def test_bearer_has_no_case(self) -> None:
        request = pushed()
        lower = request.headers["authorization"].replace("Bearer", "bearer")
        PUSHED.verify(replace(request, headers={"authorization": lower}), secrets(RSA_PUBLIC), NOW)

    def test_tokens_that_cover_no_body_are_credentials(self) -> None:
        assert MONDAY.credentials == PUBSUB.credentials == ("header:authorization",)
        assert NETLIFY.credentials == PLAID.credentials == ()

    @pytest.mark.parametrize(
        "bad",
        [
            {"algorithm": "none"},
            {"algorithm": "RS512"},
            {"algorithm": "HS256"},
            {"keys": PUBSUB.keys, "expires": True},
        ],
    )
    def test_row_that_could_not_protect_is_refused_when_it_is_made(
        self, bad: dict[str, Any]
    ) -> None:
        with pytest.raises(ValueError):
            Jwt(**{"algorithm": "HS256", **bad})

    def test_weak_keys(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        for key in (
            rsa.generate_private_key(65537, 1024),  # noqa: S505 - that is the point
            ec.generate_private_key(ec.SECP384R1()),
        ):
            weak = (
                key.public_key()
                .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                .decode()
            )
            assert "RSA key of 2048" in (PUSHED.secret_problem(weak) or "")
            assert "P-256" in (PLAID.secret_problem(weak) or "")
            assert refusal(PUSHED, pushed(), weak) == "no_secret"

    def test_secret_that_serves_to_fetch(self) -> None:
        assert PLAID.secret_problem("client:secret") is None
        assert "client_id:secret" in (PLAID.secret_problem("neither") or "")
        assert refusal(PLAID, kind_request("plaid"), "client:secret") == "no_key"
        assert PLAID.needs_secret
        assert not PUBSUB.needs_secret


KID = "key-one"
PRIVATE_JWK = json.dumps({**json.loads(written(EC_PRIVATE, "jwk", private=True)), "kid": KID})
PLAID_URL = "https://production.plaid.com/webhook_verification_key/get"


def plaid_answer(**more: Any) -> bytes:
    return json.dumps(
        {
            "key": {
                **json.loads(written(EC_PUBLIC, "jwk", private=False)),
                "kid": KID,
                "expired_at": None,
                **more,
            }
        }
    ).encode()


def google_answer(*kids: str, key: str = RSA_PUBLIC, **more: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    numbers: Any = load_der_public_key(base64.b64decode(key)).public_numbers()  # type: ignore[union-attr]
    size = {"n": 256, "e": 3}
    text = {
        name: (
            base64.urlsafe_b64encode(getattr(numbers, name).to_bytes(size[name], "big"))
            .decode()
            .rstrip("=")
        )
        for name in size
    }
    return json.dumps(
        {
            "keys": [
                {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, **text, **more}
                for kid in kids
            ]
        }
    ).encode()


class TestWholeBody:
    """Wix: the body is a token, and the event is in it."""

    def test_event_is_the_content_of_the_token(self) -> None:
        event = {"eventType": "wix.contacts.v4.contact_created", "data": "{}"}
        for value in (json.dumps(event), event):
            token = jwt.encode(
                {"data": value, "iat": NOW, "exp": NOW + 60}, rsa_key(), algorithm="RS256"
            )
            WIX.verify(
                post(token.encode(), {"content-type": "text/plain"}), secrets(RSA_PUBLIC), NOW
            )
            assert json.loads(unwrap_event(token.encode(), "data") or b"") == event
        signed = WIX.sign(post(json.dumps(event).encode()), RSA_PRIVATE, NOW)
        assert unwrap_event(signed.body, "data") == json.dumps(event).encode()

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b".",
            b"a.b.c",
            b"e30.e30.",
            b"e30.W10.AA",
            b"{}",
            b"\xff.\xff.\xff",
            b"." * 5000,
            b"e30.MQ.AA",
        ],
    )
    def test_what_is_no_token(self, body: bytes) -> None:
        assert unwrap_event(body, "data") is None
        assert refusal(WIX, post(body), RSA_PUBLIC) in {"missing", "malformed"}

    def test_time_and_key(self) -> None:
        assert refusal(WIX, kind_request("wix"), RSA_PUBLIC, now=NOW + 361) == "stale"
        assert refusal(WIX, kind_request("wix"), KINDS["wix"].wrong) == "mismatch"
        assert WIX.credentials == ()


class TestFetchedKeys:
    """What is asked for, and when nothing is."""

    url = "https://www.googleapis.com/oauth2/v3/certs"

    def test_key_set_by_kid(self) -> None:
        keys = Served(**{self.url: google_answer("zero", "one")})
        PUSHED.verify(pushed(), [], NOW, keys)
        assert keys.asked == [(DocumentRequest(self.url, self.url), False)]

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
            (
                b'{"keys": [1, {}, {"kid": "one"}, {"kid": "one", "kty": "RSA", "n": "AA", "e":'
                b' "AQAB"}, {"kid": ["one"], "kty": "RSA"}]}'
            ),
            google_answer("one", use="enc"),
            google_answer("one", kty="oct", k="AA"),
            google_answer("one", n="A" * 5000),
            google_answer(*(f"k{n}" for n in range(100)), "one"),
        ],
    )
    def test_document_without_a_usable_key(self, document: bytes) -> None:
        assert refused(PUSHED, pushed(), Served(**{self.url: document})) == "no_key"

    def test_another_key_under_the_kid(self) -> None:
        assert (
            refused(
                PUSHED,
                pushed(),
                Served(**{self.url: google_answer("one", key=KINDS["pubsub"].wrong)}),
            )
            == "mismatch"
        )

    def test_no_key_is_fetched_for_an_implausible_token(self) -> None:
        keys = Served()
        for spoiled in (
            {"aud": "x"},
            {"email": "x"},
            {"iss": "x"},
            {"exp": NOW - 100},
            {"iat": NOW + 100},
            {"email_verified": False},
        ):
            refused(PUSHED, pushed(**spoiled), keys)
        refused(PUBSUB, pushed(), keys)
        refused(
            PUSHED,
            post(
                headers={"authorization": "Bearer " + by_hand({"alg": "HS256", "kid": "one"}, GOOD)}
            ),
            keys,
        )
        refused(
            PUSHED, post(headers={"authorization": "Bearer " + by_hand({"alg": "RS256"}, {})}), keys
        )
        for spoiled in (
            post(b"other", kind_request("plaid").headers),
            post(),
            post(headers={"plaid-verification": "a.b.c"}),
        ):
            with pytest.raises(BadSignature):
                PLAID.verify(spoiled, secrets("client:secret"), NOW, keys)
        with pytest.raises(BadSignature):
            PLAID.verify(kind_request("plaid"), secrets("client:secret"), NOW + 301, keys)
        assert keys.asked == []

    def test_pinned_key_needs_no_other(self) -> None:
        keys = Served()
        PUSHED.verify(pushed(), secrets(RSA_PUBLIC), NOW, keys)
        with pytest.raises(BadSignature, match="mismatch"):
            PUSHED.verify(
                pushed(),
                secrets(KINDS["pubsub"].wrong),
                NOW,
                Served(**{self.url: google_answer("one")}),
            )
        assert keys.asked == []

    def test_service_that_is_asked_for_one_key(self) -> None:
        request = PLAID.sign(post(), PRIVATE_JWK, NOW)
        keys = Served(**{PLAID_URL: plaid_answer()})
        PLAID.verify(request, secrets("client:se:cret"), NOW, keys)
        ((ask, _),) = keys.asked
        assert json.loads(ask.body) == {"client_id": "client", "secret": "se:cret", "key_id": KID}
        assert "se:cret" not in repr(ask)
        assert "se:cret" not in ask.group
        sandbox = with_pins(PLAID, {"environment": "sandbox"})
        with pytest.raises(BadSignature, match="no_key"):
            sandbox.verify(request, secrets("client:secret"), NOW, keys)
        assert keys.asked[-1][0].url == PLAID_URL.replace("production", "sandbox")

    @pytest.mark.parametrize(
        "spoiled",
        [{"expired_at": 1}, {"kid": "other"}, {"x": "AA"}, {"crv": "P-384"}, {"kty": "RSA"}],
    )
    def test_answer_with_another_key(self, spoiled: dict[str, Any]) -> None:
        with pytest.raises(BadSignature, match="no_key"):
            keys = Served(**{PLAID_URL: plaid_answer(**spoiled)})
            PLAID.verify(PLAID.sign(post(), PRIVATE_JWK, NOW), secrets("client:secret"), NOW, keys)
