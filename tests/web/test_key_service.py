"""Keys that a service shows to whoever is logged in (eBay): what is asked for, what is shown, how
rarely, and when nothing is.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from kinds import EC_OTHER, EC_PRIVATE, EC_PUBLIC, RSA_PUBLIC, Served, refused, written
from senders import sender
from signing import NOW, post, secrets

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.alternatives import SchemeBySecret
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.jwks import KeyService
from bridge.providers.signatures.key_source import DocumentRequest

EBAY = next(scheme for start, scheme in PROVIDERS["ebay"].scheme.by_secret if not start)  # type: ignore[union-attr]
KID = "9936261a-7d7b-4621-a0f1-96ccb428af49"
LOGIN_URL = "https://api.ebay.com/identity/v1/oauth2/token"
KEY_URL = f"https://api.ebay.com/commerce/notification/v1/public_key/{KID}"
LOGIN = "Garden-app-PRD-1:PRD-cert-2"
TOKEN = {
    "access_token": "v^1.1#i^1#f^0",
    "expires_in": 7200,
    "token_type": "Application Access Token",
}
KEY = {
    "algorithm": "ECDSA",
    "digest": "SHA1",
    "key": written(EC_PUBLIC, "broken_pem", private=False),
}


def served(token: Any = TOKEN, key: Any = KEY) -> Served:
    return Served(**{LOGIN_URL: json.dumps(token).encode(), KEY_URL: json.dumps(key).encode()})


def signed(kid: Any = KID) -> Request:
    """A notification whose signature names a key."""
    request = EBAY.sign(post(), EC_PRIVATE, NOW)
    value = json.loads(base64.b64decode(request.headers["x-ebay-signature"])) | {"kid": kid}
    return replace(
        request,
        headers={
            **request.headers,
            "x-ebay-signature": base64.b64encode(json.dumps(value).encode()).decode(),
        },
    )


def why(keys: Served, *values: str, request: Request | None = None, scheme: Any = EBAY) -> str:
    with pytest.raises(BadSignature) as caught:
        scheme.verify(request or signed(), secrets(*values), NOW, keys)
    return caught.value.reason


def test_key_is_fetched_with_a_token_that_the_login_gets() -> None:
    keys = served()
    EBAY.verify(signed(), secrets(LOGIN), NOW, keys)
    (login, _), (key, _) = keys.asked
    assert (login.url, key.url, key.body) == (LOGIN_URL, KEY_URL, b"")
    assert parse_qs(login.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["https://api.ebay.com/oauth/api_scope"],
    }
    shown = {
        "Authorization": f"Basic {base64.b64encode(LOGIN.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert dict(login.headers) == shown
    assert dict(key.headers) == {"Authorization": f"Bearer {TOKEN['access_token']}"}


def test_signature_by_another_key_than_the_one_it_names_is_refused() -> None:
    other = served(key=KEY | {"key": written(EC_OTHER, "pem", private=False)})
    assert why(other, LOGIN) == "mismatch"


@pytest.mark.parametrize(
    "kid", ["", "../token", "a/b", "a?b=c", "a%2e", "é", "{kid}", "a\n", "k" * 101, 1, None, ["a"]]
)
def test_id_that_is_none_asks_for_nothing(kid: Any) -> None:
    keys = served()
    assert why(keys, LOGIN, request=signed(kid)) == "no_key"
    assert keys.asked == []


@pytest.mark.parametrize(
    "token",
    [
        None,
        [],
        {},
        "x",
        *({"access_token": text} for text in ("", 1, None, "a b", "a\r\nX: y", "é", "a" * 4097)),
    ],
)
def test_answer_without_a_usable_token_asks_for_no_key(token: Any) -> None:
    keys = served(token=token)
    assert why(keys, LOGIN) == "no_key"
    assert {ask.url for ask, _ in keys.asked} == {LOGIN_URL}


@pytest.mark.parametrize(
    "key",
    [
        *(None, [], {}, "x", {"key": ""}, {"key": 1}, {"key": "MFkw"}),
        {"key": written(RSA_PUBLIC, "pem", private=False)},
        {"key": written(EC_PRIVATE, "pem", private=True)},
    ],
)
def test_answer_without_a_usable_key_is_asked_for_once_more_and_then_given_up(key: Any) -> None:
    keys = served(key=key)
    assert why(keys, LOGIN) == "no_key"
    assert [again for _, again in keys.asked] == [False, False, True, True]


def test_key_among_the_secrets_is_used_and_nothing_fetched() -> None:
    keys = served(key=None)
    for values in ([EC_PUBLIC], [LOGIN, EC_PUBLIC], [EC_OTHER, EC_PUBLIC, LOGIN]):
        EBAY.verify(signed(), secrets(*values), NOW, keys)
    assert why(keys, EC_OTHER, LOGIN) == "mismatch"
    assert keys.asked == []


@pytest.mark.parametrize("values", [("token:word", LOGIN), (LOGIN, "token:word")])
def test_beside_a_verification_token_it_is_the_key_that_is_missed(values: tuple[str, ...]) -> None:
    """Which tells eBay to send it again, where a wrong signature would not."""
    assert isinstance(PROVIDERS["ebay"].scheme, SchemeBySecret)
    assert why(served(token={}), *values, scheme=PROVIDERS["ebay"].scheme) == "no_key"
    PROVIDERS["ebay"].scheme.verify(signed(), secrets(*values), NOW, served())


def test_everything_cheaper_comes_before_a_key_is_asked_for() -> None:
    keys = served()
    for request in (
        post(),
        replace(signed(), headers={"x-ebay-signature": "!"}),
        replace(signed(), headers={"x-ebay-signature": "e30="}),
    ):
        assert why(keys, LOGIN, request=request) in {"missing", "malformed"}
    assert why(keys, "", request=signed()) == "no_secret"
    assert keys.asked == []


def test_what_a_secret_may_be() -> None:
    assert EBAY.secret_problem(LOGIN) is None
    assert EBAY.secret_problem(EC_PUBLIC) is None
    assert "client_id:client_secret" in (EBAY.secret_problem("neither") or "")
    assert "empty" in (EBAY.secret_problem(" ") or "")
    assert "client_id" not in (sender("sendgrid").scheme.secret_problem("a:b") or "")
    assert why(served(), "neither") == "no_secret"


def test_scheme_without_a_service_takes_no_login() -> None:
    plain = replace(EBAY, service=None)
    assert isinstance(plain, Ecdsa)
    assert refused(replace(plain), signed(), served()) == "no_secret"
    assert why(served(), LOGIN, scheme=plain) == "no_secret"


def test_neither_login_nor_token_is_shown() -> None:
    keys = served()
    EBAY.verify(signed(), secrets(LOGIN), NOW, keys)
    told = repr(keys.asked)
    for word in (
        "PRD-cert-2",
        str(TOKEN["access_token"]),
        base64.b64encode(LOGIN.encode()).decode(),
    ):
        assert word not in told
    assert isinstance(EBAY.service, KeyService)


def test_a_document_is_the_same_whoever_asks_for_it() -> None:
    url = "https://api.ebay.com/x"
    assert DocumentRequest(url, "g", headers=(("Authorization", "Bearer a"),)) == DocumentRequest(
        url, "g", headers=(("Authorization", "Bearer b"),)
    )
    assert DocumentRequest(url, "g", b"a") != DocumentRequest(url, "g", b"b")
