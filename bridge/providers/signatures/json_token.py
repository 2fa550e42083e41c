"""JSON Web Tokens in compact form: parse, verify and sign them with joserfc. Pure.

joserfc refuses a token that names another algorithm. It is imported with the first source that uses
tokens: most need none.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from bridge.core.errors import BadSignature
from bridge.core.json_values import exceeds_values
from bridge.core.model import JSON

if TYPE_CHECKING:
    from joserfc.jwk import Key
    from joserfc.jws import CompactSignature, JWSRegistry

MAX_TOKEN_CHARACTERS = 8192  # characters
MAX_KID_CHARACTERS = 200  # characters
MAX_TOKEN_SIGNATURE_CHARACTERS = 2048  # characters; those of an RSA key of 8192 bits are 1366
MAX_TOKEN_TIME = 1e11  # seconds since the epoch; what is later is no time
KEY_PAIR_KINDS = {"ES256": "ec", "RS256": "rsa"}  # algorithms whose keys are pairs
SHARED_KEY_ALGORITHMS = ("HS256", "HS512")  # algorithms whose key is shared


@dataclass(frozen=True, slots=True)
class JsonToken:
    """A parsed token, unverified."""

    kid: str
    claims: Mapping[str, JSON]
    signed: CompactSignature


@lru_cache
def _registry(algorithm: str) -> JWSRegistry:
    """Return joserfc's settings: this algorithm alone, whatever a header says; bounded parts."""
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = MAX_TOKEN_CHARACTERS
    registry.max_signature_length = MAX_TOKEN_SIGNATURE_CHARACTERS
    # the limit of bodies bounds a token that is one
    registry.max_payload_length = sys.maxsize - 2 * MAX_TOKEN_CHARACTERS
    return registry


@lru_cache(maxsize=256)
def joserfc_key(algorithm: str, key: bytes) -> Key:
    """Return a joserfc key for a shared secret or a DER key. Raise ValueError if invalid."""
    from joserfc.errors import SecurityWarning
    from joserfc.jwk import ECKey, OctKey, RSAKey

    if algorithm in KEY_PAIR_KINDS:
        return (ECKey if KEY_PAIR_KINDS[algorithm] == "ec" else RSAKey).import_key(key)
    with warnings.catch_warnings():  # of short secrets: the sender decides how long its secret is
        warnings.simplefilter("ignore", SecurityWarning)
        return OctKey.import_key(key)


def parse_compact(text: bytes) -> CompactSignature:
    """Parse an unverified token. Raise BadSignature if it is invalid."""
    from joserfc.errors import JoseError
    from joserfc.jws import extract_compact

    try:
        # for its bounds: no algorithm is used yet
        token = extract_compact(text, registry=_registry(SHARED_KEY_ALGORITHMS[0]))
    except (JoseError, ValueError, TypeError, RecursionError):
        # JSON of a header that is no object, or nests too deep
        raise BadSignature("malformed") from None
    if not isinstance(token.protected, dict):
        raise BadSignature("malformed")
    return token


def read_token(text: bytes, algorithm: str) -> JsonToken:
    """Return the token's parts. Raise BadSignature for another algorithm or unusual headers."""
    if not text:
        raise BadSignature("missing")
    parsed = parse_compact(text)
    if parsed.protected.get("alg") != algorithm or "crit" in parsed.protected:
        raise BadSignature("malformed")
    kid = parsed.protected.get("kid", "")
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARACTERS or not kid.isprintable():
        raise BadSignature("malformed")
    return JsonToken(kid, _claims(parsed.payload), parsed)


def _claims(raw: bytes) -> dict[str, JSON]:
    """Return the unverified claims. Raise BadSignature if they are not an object, or too large."""
    try:
        claims = None if exceeds_values(raw) else orjson.loads(raw)
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise BadSignature("malformed")
    return claims


def time_claim(claims: Mapping[str, JSON], name: str) -> float | None:
    """Return a claim that is a time, or None. Raise BadSignature if it is invalid."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) < MAX_TOKEN_TIME:
        raise BadSignature("malformed")
    return float(value)


def is_signed_by(token: JsonToken, algorithm: str, key: bytes) -> bool:
    """Return whether the token's signature matches the key."""
    from joserfc.errors import JoseError
    from joserfc.jws import validate_compact

    try:
        return validate_compact(
            token.signed, joserfc_key(algorithm, key), registry=_registry(algorithm)
        )
    except (JoseError, ValueError, TypeError):
        # a header of a wrong type, or a key of another kind: not proven
        return False


def sign_compact(head: dict[str, str], payload: bytes, algorithm: str, key: bytes) -> str:
    """Return the compact form of a signed token."""
    from joserfc.jws import serialize_compact

    return serialize_compact(
        head, payload, joserfc_key(algorithm, key), registry=_registry(algorithm)
    )
