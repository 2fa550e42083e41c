"""JSON Web Tokens, beside the body or as the body (monday, Netlify, Plaid, Pub/Sub, Wix). Pure.

Spec: RFC 7519, RFC 7515. The row names the one algorithm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest

import orjson

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import Locator, compile_locator
from bridge.core.model import JSON
from bridge.providers.signatures import key_material
from bridge.providers.signatures.json_token import (
    KEY_PAIR_KINDS,
    MAX_TOKEN_CHARACTERS,
    SHARED_KEY_ALGORITHMS,
    JsonToken,
    is_signed_by,
    joserfc_key,
    parse_compact,
    read_token,
    sign_compact,
    time_claim,
)
from bridge.providers.signatures.jwks import KeySet
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.pins import Pin, Pinned, pinned_values
from bridge.providers.signatures.request_view import RequestView, raw_bytes
from bridge.providers.signatures.scheme import (
    NO_CONTENT,
    WHOLE_BODY,
    Proof,
    Secret,
    active_secrets,
    find_place,
    utf8,
)
from bridge.providers.signatures.signer import place_value


@dataclass(frozen=True, kw_only=True)
class Jwt:
    """A JWT at `at`, in a header after the case-insensitive `prefix`, with one `algorithm`.

    The algorithm is HS256, HS512, ES256 or RS256. `wraps`: the token is the whole body instead, and
    this claim holds the event, as JSON or as its text (Wix).

    The secret is the shared key, or for ES256 and RS256 the sender's public key; without one,
    `keys` has the keys. `body_hash`: the claim with the body's SHA-256 (hexadecimal); without it
    the body is not proven. `issuer`: accepted `iss`. `claims`: required values of others.
    `expires`: `exp` is required; if present it is always checked. `max_age`: seconds since `iat`,
    which is then required. `leeway`: seconds that clocks may differ. `pins`: claims a source pins
    (`at` names the claim).
    """

    at: str = "header:Authorization"
    prefix: str = ""
    algorithm: str
    keys: KeySet | None = None
    wraps: str | None = None
    body_hash: str | None = None
    issuer: tuple[str, ...] = ()
    claims: tuple[tuple[str, JSON], ...] = ()
    expires: bool = False
    max_age: float | None = None
    leeway: float = 60.0
    pins: tuple[Pin, ...] = ()
    pinned: Pinned = ()
    credentials: tuple[str, ...] = field(init=False, repr=False, compare=False)
    compiled: Locator = field(init=False, repr=False, compare=False)

    @property
    def needs_secret(self) -> bool:
        """Whether the key is in routes.yaml: True unless the sender publishes it."""
        return self.keys is None or bool(self.keys.login)

    def __post_init__(self) -> None:
        if self.algorithm not in {*KEY_PAIR_KINDS, *SHARED_KEY_ALGORITHMS}:
            raise ValueError(
                f"algorithm {self.algorithm!r} is unknown; allowed are"
                f" {', '.join((*SHARED_KEY_ALGORITHMS, *KEY_PAIR_KINDS))}"
            )
        if self.keys and self.algorithm in SHARED_KEY_ALGORITHMS:
            raise ValueError("a shared key is not fetched")
        if not (self.body_hash or self.wraps or self.expires or self.max_age):
            raise ValueError(
                "a token that does not cover the body must expire: set expires or max_age"
            )
        object.__setattr__(self, "compiled", compile_locator(self.at))
        object.__setattr__(
            self, "credentials", () if self.body_hash or self.wraps else (str(self.compiled),)
        )

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify the token of `request` at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid. Checks without a key come first, so
        that a key is fetched only for a plausible token.
        """
        own_keys, logins = self._held(secrets, now)
        token = self._token(request)
        self._check_times(token.claims, now)
        self._check_claims(token.claims)
        if self.body_hash:
            _same_hash(token.claims.get(self.body_hash), request.body)
        is_fetched = not own_keys
        own_keys = own_keys or self._fetched(token, logins, keys)
        fitting = next((key for key in own_keys if self._fits(key, token)), None)
        if fitting is None:
            raise BadSignature("mismatch")
        place = (
            None
            if is_fetched
            else find_place(
                secrets, now, lambda secret: compare_digest(self._key_of(secret), fitting)
            )
        )
        if claim := self.wraps:  # the token of a retry has other times
            return Proof(lambda whole: unwrap_event(whole.body, claim) or whole.body, place=place)
        return replace(WHOLE_BODY if self.body_hash else NO_CONTENT, place=place)

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` with a token as the sender makes it. Raise ValueError for an unusable
        secret.
        """
        moment = int(now)
        claims: dict[str, JSON] = (
            {"iat": moment, "exp": moment + 300} if self.expires else {"iat": moment}
        )
        claims |= {"iss": self.issuer[0]} if self.issuer else {}
        claims |= dict(self.claims)
        claims |= {
            pin.at: values[0]
            for pin in self.pins
            if pin.at and (values := dict(self.pinned).get(pin.name))
        }
        if self.body_hash:
            claims[self.body_hash] = sha256(request.body).hexdigest()
        if self.wraps:
            claims[self.wraps] = request.body.decode("utf-8", "replace")
        head = {
            "alg": self.algorithm,
            "typ": "JWT",
            **({"kid": key_material.kid_of(secret)} if self.keys else {}),
        }
        made = self._seal(secret, head, orjson.dumps(claims))
        if self.wraps:
            return replace(request, body=made.encode())
        prefix = self.prefix if self.compiled.kind == "header" else ""
        return place_value(request, self.compiled, prefix + made)

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        if not secret.strip():
            return "the secret is empty"
        try:
            self._key_of(secret)
        except ValueError as error:
            is_login = self.keys is not None and self.keys.login_of(secret) is not None
            return None if is_login else str(error) + (self.keys.hint if self.keys else "")
        return None

    def _key_of(self, secret: str) -> bytes:
        if self.algorithm in KEY_PAIR_KINDS:
            return key_material.public_key(secret, KEY_PAIR_KINDS[self.algorithm])
        try:
            key = utf8(secret)
        except ValueError:
            raise ValueError("the secret must be any text") from None
        try:
            joserfc_key(self.algorithm, key)
        except ValueError:
            raise ValueError(
                "the secret is a public key; the text that the sender shares belongs here"
            ) from None
        return key

    def _seal(self, secret: str, head: dict[str, str], payload: bytes) -> str:
        kind = KEY_PAIR_KINDS.get(self.algorithm)
        key = key_material.private_key(secret, kind) if kind else self._key_of(secret)
        return sign_compact(head, payload, self.algorithm, key)

    def _held(self, secrets: Sequence[Secret], now: float) -> tuple[list[bytes], list[str]]:
        """Return the keys among the secrets, and the secrets that are logins for keys, or raise
        BadSignature.
        """
        if not secrets and not self.needs_secret:
            return [], []
        own_keys = []
        logins = []
        for secret in active_secrets(secrets, now):
            try:
                own_keys.append(self._key_of(secret))
            except ValueError:
                if self.keys and self.keys.login_of(secret):
                    logins.append(secret)
        if not own_keys and not logins:
            raise BadSignature("no_secret")
        return own_keys, logins

    def _token(self, request: Request) -> JsonToken:
        if self.wraps:
            return read_token(request.body, self.algorithm)
        raw_token = RequestView(request).find_bytes(self.compiled)
        if not raw_token:
            raise BadSignature("missing")
        prefix = self.prefix.encode() if self.compiled.kind == "header" else b""
        if (
            len(raw_token) > MAX_TOKEN_CHARACTERS
            or raw_token[: len(prefix)].lower() != prefix.lower()
        ):
            raise BadSignature("malformed")
        return read_token(raw_token[len(prefix) :], self.algorithm)

    def _check_times(self, claims: Mapping[str, JSON], now: float) -> None:
        ends, begins, made = (time_claim(claims, name) for name in ("exp", "nbf", "iat"))
        if (self.expires and ends is None) or (self.max_age is not None and made is None):
            raise BadSignature("malformed")
        # written so that a comparison with NaN refuses
        if ends is not None and not now < ends + self.leeway:
            raise BadSignature("stale")
        if made is not None and self.max_age is not None and not now - made <= self.max_age:
            raise BadSignature("stale")
        if any(moment is not None and not moment <= now + self.leeway for moment in (begins, made)):
            raise BadSignature("future")

    def _check_claims(self, claims: Mapping[str, JSON]) -> None:
        if self.issuer and claims.get("iss") not in self.issuer:
            raise BadSignature("mismatch")
        if any(
            type(claims.get(name)) is not type(required_value) or claims.get(name) != required_value
            for name, required_value in self.claims
        ):
            raise BadSignature("mismatch")
        for name, values in pinned_values(self.pins, self.pinned).items():
            at = next(pin.at for pin in self.pins if pin.name == name)
            said = claims.get(at)
            if (
                at
                and values
                and not any(text in values for text in (said if isinstance(said, list) else [said]))
            ):
                raise BadSignature("not_pinned")

    def _fetched(self, token: JsonToken, logins: Sequence[str], keys: KeySource) -> list[bytes]:
        values = {
            name: values[0]
            for name, values in pinned_values(self.pins, self.pinned).items()
            if values
        }
        key = (
            self.keys.find(token.kid, KEY_PAIR_KINDS[self.algorithm], logins, values, keys)
            if self.keys
            else None
        )
        if key is None:
            raise BadSignature("no_key")
        return [key]

    def _fits(self, key: bytes, token: JsonToken) -> bool:
        return is_signed_by(token, self.algorithm, key)


def unwrap_event(body: bytes, claim: str) -> bytes | None:
    """Return the JSON under `claim` of a token that is the whole body, or None. Verify it first."""
    try:
        value = orjson.loads(parse_compact(body).payload)[claim]
        return value.encode() if isinstance(value, str) else orjson.dumps(value)
    except (BadSignature, ValueError, KeyError, TypeError):
        return None


def _same_hash(said: JSON, body: bytes) -> None:
    if not isinstance(said, str) or len(said) != 64:
        raise BadSignature("malformed")
    if not compare_digest(raw_bytes(said.lower()), sha256(body).hexdigest().encode()):
        raise BadSignature("mismatch")
