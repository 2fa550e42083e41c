"""Schemes that prove the caller, but not the content: a token, a password, nothing. Pure."""

# ruff: noqa: ARG002 - the arguments are the Scheme protocol's

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hmac import compare_digest

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import Locator, compile_locator
from bridge.providers.signatures.encodings import to_base64, unbase64
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import (
    MAX_SIGNATURE_CHARACTERS,
    NO_CONTENT,
    Proof,
    Secret,
    active_secrets,
    find_place,
    utf8,
)
from bridge.providers.signatures.signer import place_value


@dataclass(frozen=True, kw_only=True)
class SharedToken:
    """The secret itself at one of the places `at`, after the case-insensitive `prefix`."""

    at: str | tuple[str, ...] = "header:Authorization"
    prefix: str = ""
    credentials: tuple[str, ...] = field(init=False, repr=False, compare=False)
    compiled: tuple[Locator, ...] = field(init=False, repr=False, compare=False)

    needs_secret = True

    def __post_init__(self) -> None:
        compiled = tuple(map(compile_locator, (self.at,) if isinstance(self.at, str) else self.at))
        if not compiled:
            raise ValueError("a token needs a location (`at`)")
        object.__setattr__(self, "compiled", compiled)
        object.__setattr__(self, "credentials", tuple(map(str, compiled)))

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Check that `request` carries an active secret. Raise BadSignature, and nothing else, if
        not.
        """
        usable = _usable(self, active_secrets(secrets, now))
        view = RequestView(request)
        offered = [token for locator in self.compiled if (token := self._token(view, locator))]
        if not offered:
            raise BadSignature("missing")
        if not any(compare_digest(token, utf8(key)) for token in offered for key in usable):
            raise BadSignature("mismatch")
        return replace(
            NO_CONTENT,
            place=find_place(
                secrets,
                now,
                lambda key: any(compare_digest(token, utf8(key)) for token in offered),
            ),
        )

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` with the token at the first of its places."""
        prefix = self.prefix if self.compiled[0].kind == "header" else ""
        return place_value(request, self.compiled[0], prefix + secret)

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        return _problem(secret)

    def _token(self, view: RequestView, locator: Locator) -> bytes | None:
        raw_token = view.find_bytes(locator)
        if raw_token is None or len(raw_token) > MAX_SIGNATURE_CHARACTERS:
            return None
        prefix = self.prefix.encode() if locator.kind == "header" else b""
        return (
            raw_token[len(prefix) :] if raw_token[: len(prefix)].lower() == prefix.lower() else None
        )


@dataclass(frozen=True, kw_only=True)
class BasicAuth:
    """HTTP basic authentication; the secret is `user:password`. Spec: RFC 7617."""

    needs_secret = True
    credentials: tuple[str, ...] = field(
        default=("header:authorization",), init=False, repr=False, compare=False
    )

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Check that `request` carries an active secret. Raise BadSignature, and nothing else, if
        not.
        """
        pairs = [
            utf8(secret).partition(b":") for secret in _usable(self, active_secrets(secrets, now))
        ]
        authorization = request.headers.get("authorization", "")
        if not authorization:
            raise BadSignature("missing")
        word, _, encoded = authorization.partition(" ")
        if word.lower() != "basic" or len(authorization) > MAX_SIGNATURE_CHARACTERS:
            raise BadSignature("malformed")
        try:
            user, colon, password = unbase64(encoded.strip()).partition(b":")
        except (binascii.Error, ValueError):
            raise BadSignature("malformed") from None
        if not colon:
            raise BadSignature("malformed")
        fits = [
            compare_digest(user, name) & compare_digest(password, word) for name, _, word in pairs
        ]
        if not any(fits):
            raise BadSignature("mismatch")
        given_pair = user + b":" + password
        return replace(
            NO_CONTENT,
            place=find_place(secrets, now, lambda key: compare_digest(given_pair, utf8(key))),
        )

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` with the Authorization header."""
        return replace(
            request,
            headers={**request.headers, "authorization": "Basic " + to_base64(utf8(secret))},
        )

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        user, _, password = secret.partition(":")
        return _problem(secret) or (
            None if user and password else "the secret must be user:password, neither empty"
        )


@dataclass(frozen=True, kw_only=True)
class Unsigned:
    """No proof at all: for public forms, and for a source with `insecure: true`."""

    needs_secret = False
    credentials: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Accept any request."""
        return NO_CONTENT

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` unchanged."""
        return request

    def secret_problem(self, secret: str) -> str | None:
        """Return None: no secret is used."""
        return None


def _usable(scheme: SharedToken | BasicAuth, secrets: Sequence[str]) -> list[str]:
    usable = [secret for secret in secrets if scheme.secret_problem(secret) is None]
    if not usable:
        raise BadSignature("no_secret")
    return usable


def _problem(secret: str) -> str | None:
    try:
        return None if utf8(secret).strip() else "the secret is empty"
    except ValueError:
        return "the secret is not valid UTF-8"
