"""Headers and timestamp that a signature scheme reads from a request. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, Keys
from bridge.providers.signatures.locations import leaves
from bridge.providers.signatures.request_view import View
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Token
from bridge.providers.signatures.signed_scheme import Envelope
from bridge.providers.signatures.timestamps import READ


def fits(
    scheme: Scheme, request: Request, secrets: Sequence[Secret], now: float, keys: Keys = NO_KEYS
) -> bool:
    """Return whether the request is signed with one of the secrets."""
    try:
        scheme.verify(request, secrets, now, keys)
    except BadSignature:
        return False
    return True


def signature_headers(scheme: Scheme) -> list[str]:
    places = [at for one in find_envelopes(scheme) for at in one.compiled.at]
    places += [at for one in leaves(scheme) if isinstance(one, Token) for at in one.compiled]
    return [at.name for at in places if at.kind == "header" and at.name != "authorization"]


def find_envelopes(scheme: Scheme) -> list[Envelope]:
    return [one for one in leaves(scheme) if isinstance(one, Envelope)]


def headers_read(scheme: Envelope) -> list[str]:
    """Return the headers that the scheme reads."""
    locators = [
        *scheme.compiled.at,
        scheme.compiled.time_at,
        *(locator for locator, _ in scheme.compiled.requires),
    ]
    named = [
        locator.name for locator in locators if locator is not None and locator.kind == "header"
    ]
    return [*named, *(name for signed in scheme.compiled.signed for name in signed.headers)]


def signed_at(scheme: Envelope, request: Request) -> float | None:
    """Return the timestamp of a request's signature, or None if it has none."""
    if scheme.timestamp is None:
        return None
    view = View(request)
    where = scheme.compiled.time_at
    try:
        text = view.find(where) if where else _timestamp_label(scheme, view)
        return READ[scheme.timestamp.unit](text) if text and len(text) <= 64 else None
    except (BadSignature, ValueError, OverflowError, TypeError, IndexError):
        return None


def _timestamp_label(scheme: Envelope, view: View) -> str | None:
    for locator in scheme.compiled.at:
        text = view.find(locator) or ""
        if text.startswith(scheme.prefix):
            labels = scheme.parse.read(text[len(scheme.prefix) :])[1]
            if scheme.compiled.time_label in labels:
                return labels[scheme.compiled.time_label]
    return None
