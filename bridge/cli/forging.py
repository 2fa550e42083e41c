"""Forgeries of a sample: what someone without the secret could send, each of which must be refused."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from bridge.model import Request

if TYPE_CHECKING:
    from bridge.providers import Provider
    from bridge.signatures import Scheme

OLD = 2 * 86400.0  # seconds; older than any tolerance may be


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is to have sent the event: a source of routes.yaml, or a provider alone."""

    source: str
    provider: Provider
    scheme: Scheme
    secret: str


def forge(signer: Signer, request: Request, kind: str, now: float) -> Request:
    """Return the request as someone without the secret would send it; ValueError where a forgery of this kind proves nothing."""
    if not signer.scheme.needs_secret:
        raise ValueError(f"a {signer.provider.title} is not signed, so there is nothing to tamper with")
    return KINDS[kind](signer, request, signer.scheme.sign(request, signer.secret, now), now)


def _body(signer: Signer, request: Request, signed: Request, now: float) -> Request:
    _need_body(signer, request, signed, now)
    return replace(signed, body=_changed(signed.body))


def _need_body(signer: Signer, request: Request, signed: Request, now: float) -> None:
    if signer.scheme.sign(replace(request, body=request.body + b" "), signer.secret, now).headers == signed.headers:
        raise ValueError(f"the signature of {signer.source} does not cover the body: nothing would be noticed")


def _secret(signer: Signer, request: Request, _signed: Request, now: float) -> Request:
    return signer.scheme.sign(request, _other(signer.scheme, signer.secret), now)


def _timestamp(signer: Signer, request: Request, signed: Request, now: float) -> Request:
    old = signer.scheme.sign(request, signer.secret, now - OLD)
    if old.headers == signed.headers and old.body == signed.body:
        raise ValueError(f"{signer.source} signs no time, so an old request cannot be told from a new one")
    return old


def _header(_signer: Signer, request: Request, signed: Request, _now: float) -> Request:
    kept = {name: value for name, value in signed.headers.items() if request.headers.get(name) == value}
    return replace(request, headers=kept)


def _encoding(signer: Signer, request: Request, signed: Request, _now: float) -> Request:
    added = {name: value for name, value in signed.headers.items() if request.headers.get(name) != value}
    recoded = {name: _recoded(value) for name, value in added.items()}
    if recoded == added:
        raise ValueError(f"{signer.source} shows no signature that could be written in another encoding")
    return replace(signed, headers={**signed.headers, **recoded})


def _reorder(signer: Signer, request: Request, signed: Request, now: float) -> Request:
    _need_body(signer, request, signed, now)
    try:
        value = orjson.loads(signed.body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict) or len(value) < 2:
        raise ValueError(f"the sample of {signer.source} is no object whose keys could be put in another order")
    return replace(signed, body=orjson.dumps(dict(reversed(value.items()))))


#: kind -> (signer, the unsigned request, the signed one, now) -> the forgery
KINDS: dict[str, Callable[[Signer, Request, Request, float], Request]] = {
    "body": _body,
    "secret": _secret,
    "timestamp": _timestamp,
    "header": _header,
    "encoding": _encoding,
    "reorder": _reorder,
}


def _changed(body: bytes) -> bytes:
    """Return the body with one letter or digit of it changed, so that it can still be read."""
    later = range(len(body) // 2, len(body))
    at = next((place for place in later if chr(body[place]).isalnum() and body[place] < 128), len(body) - 1)
    return body[:at] + (b"x" if body[at : at + 1] != b"x" else b"y") + body[at + 1 :]


def _other(scheme: Scheme, secret: str) -> str:
    from bridge.cli.env_file import new_secret

    made = new_secret(scheme)
    return made if scheme.secret_problem(made) is None else secret[:-4] + ("AAAA" if secret[-4:] != "AAAA" else "BBBB")


def _recoded(value: str) -> str:
    """Return a header's value with its signature in base64 where it was hexadecimal, and the reverse."""

    def hex_to_base64(found: re.Match[str]) -> str:
        return b64encode(bytes.fromhex(found[0])).decode()

    def base64_to_hex(found: re.Match[str]) -> str:
        try:
            return b64decode(found[0], validate=True).hex()
        except ValueError:
            return found[0]

    recode: Callable[[re.Match[str]], str] = base64_to_hex
    text, count = re.subn(r"(?<![0-9a-zA-Z+/])(?:[0-9a-f]{2}){20,}(?![0-9a-zA-Z+/=])", hex_to_base64, value)
    return text if count else re.sub(r"[A-Za-z0-9+/]{26,}={0,2}", recode, value)
