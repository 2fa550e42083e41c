"""Headers and timestamp that a signature scheme reads from a request. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.locations import leaf_schemes
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import SharedToken
from bridge.providers.signatures.signed_scheme import SignedScheme
from bridge.providers.signatures.timestamps import TIME_READERS


def fits(
    scheme: Scheme,
    request: Request,
    secrets: Sequence[Secret],
    now: float,
    keys: KeySource = NO_KEYS,
) -> bool:
    """Return whether the request is signed with one of the secrets."""
    try:
        scheme.verify(request, secrets, now, keys)
    except BadSignature:
        return False
    return True


def signature_headers(scheme: Scheme) -> list[str]:
    places = [at for signed in find_signed_schemes(scheme) for at in signed.compiled.at]
    places += [
        at for leaf in leaf_schemes(scheme) if isinstance(leaf, SharedToken) for at in leaf.compiled
    ]
    return [at.name for at in places if at.kind == "header" and at.name != "authorization"]


def find_signed_schemes(scheme: Scheme) -> list[SignedScheme]:
    return [leaf for leaf in leaf_schemes(scheme) if isinstance(leaf, SignedScheme)]


def headers_read(scheme: SignedScheme) -> list[str]:
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


def signed_at(scheme: SignedScheme, request: Request) -> float | None:
    """Return the timestamp of a request's signature, or None if it has none."""
    if scheme.timestamp is None:
        return None
    view = RequestView(request)
    where = scheme.compiled.time_at
    try:
        text = view.find(where) if where else _timestamp_label(scheme, view)
        return TIME_READERS[scheme.timestamp.unit](text) if text and len(text) <= 64 else None
    except (BadSignature, ValueError, OverflowError, TypeError, IndexError):
        return None


def _timestamp_label(scheme: SignedScheme, view: RequestView) -> str | None:
    for locator in scheme.compiled.at:
        text = view.find(locator) or ""
        if text.startswith(scheme.prefix):
            labels = scheme.parse.read(text[len(scheme.prefix) :])[1]
            if scheme.compiled.time_label in labels:
                return labels[scheme.compiled.time_label]
    return None
