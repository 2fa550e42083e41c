"""Forgeries of a sample: requests that a sender without the secret could make, and which must be
refused.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from bridge.core.http_messages import Request
from bridge.core.model import JSON
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pairs import choose_scheme
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Unsigned
from bridge.services.samples.secrets import new_secret

if TYPE_CHECKING:
    from bridge.providers.model import Provider
    from bridge.routing.model import Source

OLD_SECONDS = 2 * 86400.0  # more than any tolerance
TOKEN_SECONDS = 300.0  # until a token of a sample expires


@dataclass(frozen=True, slots=True)
class Signer:
    """The sender of a sample: a source of routes.yaml (`configured`), or a provider alone.

    `secret` signs. `verified_by`: the keys of the source, if they differ from the one that signs.
    """

    source: str
    provider: Provider
    scheme: Scheme
    secret: str
    verified_by: tuple[Secret, ...] = ()
    configured: Source | None = None


def forge(signer: Signer, request: Request, kind: str, now: float) -> Request:
    """Return a forgery of the request. `ValueError` where a forgery of this kind proves nothing."""
    if isinstance(signer.scheme, Unsigned):
        raise ValueError(
            f"{signer.source} is not signed ({signer.provider.title}), so there is nothing to"
            " tamper with"
        )
    return FORGERIES[kind](signer, request, signer.scheme.sign(request, signer.secret, now), now)


def _body(signer: Signer, request: Request, signed: Request, now: float) -> Request:
    _need_body(signer, request, signed, now)
    return replace(signed, body=_changed(signed.body))


def _need_body(signer: Signer, request: Request, signed: Request, now: float) -> None:
    _, scheme = choose_scheme(signer.scheme, signer.secret)
    if isinstance(scheme, Jwt):
        is_covered = bool(scheme.body_hash or scheme.wraps)
    else:
        longer = signer.scheme.sign(replace(request, body=request.body + b" "), signer.secret, now)
        is_covered = (longer.headers, longer.query_string) != (signed.headers, signed.query_string)
    if not is_covered:
        raise ValueError(
            f"the signature of {signer.source} does not cover the whole body: a change may go"
            " undetected"
        )


def _secret(signer: Signer, request: Request, _signed: Request, now: float) -> Request:
    return signer.scheme.sign(request, new_secret(signer.scheme, signer.secret).signs, now)


def _timestamp(signer: Signer, request: Request, _signed: Request, now: float) -> Request:
    if not time_limit(signer):
        raise ValueError(
            f"{signer.source} does not sign a time with a limit, so an old request looks like a new"
            " one"
        )
    return signer.scheme.sign(request, signer.secret, now - OLD_SECONDS)


def time_limit(signer: Signer) -> float:
    """Return how old a request may be, in seconds, by its signed time; 0 for no limit."""
    scheme: Scheme = choose_scheme(signer.scheme, signer.secret)[1]
    if isinstance(scheme, Jwt):
        return scheme.max_age or (TOKEN_SECONDS if scheme.expires else 0.0)
    timestamp = getattr(scheme, "timestamp", None)
    return float(timestamp.tolerance) if timestamp is not None and timestamp.enforced else 0.0


def _header(_signer: Signer, request: Request, signed: Request, _now: float) -> Request:
    kept = {
        name: value for name, value in signed.headers.items() if request.headers.get(name) == value
    }
    return replace(request, headers=kept)


def _encoding(signer: Signer, request: Request, signed: Request, _now: float) -> Request:
    added = {
        name: value for name, value in signed.headers.items() if request.headers.get(name) != value
    }
    recoded = {name: _recoded(value) for name, value in added.items()}
    if recoded == added:
        raise ValueError(
            f"{signer.source} has no signature that could be written in another encoding"
        )
    return replace(signed, headers={**signed.headers, **recoded})


def _reorder(signer: Signer, request: Request, signed: Request, now: float) -> Request:
    _need_body(signer, request, signed, now)
    try:
        body = orjson.dumps(_reversed(orjson.loads(signed.body)))
    except orjson.JSONDecodeError:
        body = signed.body
    if body == signed.body:
        raise ValueError(
            f"the sample of {signer.source} has no keys that could be put in another order"
        )
    return replace(signed, body=body)


#: kind -> (signer, the unsigned request, the signed one, now) -> the forgery
FORGERIES: dict[str, Callable[[Signer, Request, Request, float], Request]] = {
    "body": _body,
    "secret": _secret,
    "timestamp": _timestamp,
    "header": _header,
    "encoding": _encoding,
    "reorder": _reorder,
}


def _reversed(value: JSON) -> JSON:
    """Return the value with the keys of every object in it in the reverse order."""
    if isinstance(value, dict):
        return {name: _reversed(inner) for name, inner in reversed(value.items())}
    return [_reversed(inner) for inner in value] if isinstance(value, list) else value


def _changed(body: bytes) -> bytes:
    """Return the body with one letter or digit changed, so that it still parses."""
    later = range(len(body) // 2, len(body))
    at = next(
        (place for place in later if chr(body[place]).isalnum() and body[place] < 128),
        len(body) - 1,
    )
    return body[:at] + (b"x" if body[at : at + 1] != b"x" else b"y") + body[at + 1 :]


def _recoded(value: str) -> str:
    """Return a header's value with its signature recoded: hexadecimal to base64, or the reverse."""

    def hex_to_base64(match: re.Match[str]) -> str:
        return b64encode(bytes.fromhex(match[0])).decode()

    def base64_to_hex(match: re.Match[str]) -> str:
        text = match[0] + "=" * (-len(match[0]) % 4)
        try:
            return b64decode(
                text, altchars=b"-_" if set(text) & set("-_") else None, validate=True
            ).hex()
        except ValueError:
            return match[0]

    recode: Callable[[re.Match[str]], str] = base64_to_hex
    text, count = re.subn(
        r"(?<![0-9a-zA-Z+/])(?:[0-9a-f]{2}){20,}(?![0-9a-zA-Z+/=])", hex_to_base64, value
    )
    return text if count else re.sub(r"[A-Za-z0-9+/_-]{26,}={0,2}", recode, value)
