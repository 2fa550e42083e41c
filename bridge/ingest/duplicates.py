"""Duplicate detection: the provider's id of an event, or a digest of its signed content. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.core.errors import BadSignature
from bridge.core.fingerprints import KEYED_PREFIX, keyed_sha256
from bridge.core.http_messages import Request
from bridge.core.locators import locate
from bridge.core.model import Body
from bridge.providers.signatures.scheme import Content
from bridge.routing.model import Source

MAX_NAME_CHARS = 200  # of a type or a provider's id


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests of an event: of its `body`, and of its `signed` content (or None).

    `joins_fields`: the signature does not say which field has which value, so that a copy may show
    another id.
    """

    body: str
    signed: Callable[[], str | None]
    joins_fields: bool = False


#: `dedup` of a source -> the function that returns the id of an event.
DEDUP_KEYS: Mapping[str, Callable[[Source, Request, Body, Digests], str | None]] = {
    "id": (
        lambda source, request, body, digests: (
            _find_id(source, request, body, digests) or _without_id(source, digests)
        )
    ),
    "body": lambda _source, _request, _body, digests: _label_digest(
        digests.signed() or digests.body
    ),
    "none": lambda *_: None,
}


def signed_digest(
    source: Source, sent: Request, content: Content | None, digest: str
) -> str | None:
    """Return the digest of the signed content of a request; None if nothing is signed.

    `digest`: of its body. The result is keyed if `digest` is, or if the source redacts: else a
    guess could be tested against it.
    """
    try:
        signed = content and content(sent)
    except BadSignature:  # an item of a batch without a part of the signed content
        signed = sent.body
    if signed is None or signed == sent.body:
        return None if signed is None else digest
    key = source.digest_key or (source.redact.secret_key if source.redact is not None else "")
    content_digest = hashlib.sha256(signed).hexdigest()
    return keyed_sha256(key, source.name, content_digest) if key else content_digest


def _find_id(source: Source, request: Request, body: Body, digests: Digests) -> str | None:
    """Return the sender's id of an event, None if a copy of the request could show another one."""
    return None if digests.joins_fields else locate(source.event_id, request, body.value)


def _without_id(source: Source, digests: Digests) -> str | None:
    """Identify an event by its signed content, or by its body if the provider allows that."""
    has_ids = bool(source.event_id)
    by_body = source.provider.dedup_body
    digest = digests.signed() if has_ids or by_body else None
    return _label_digest(digest or digests.body) if digest or by_body else None


def _label_digest(digest: str) -> str:
    return digest if digest.startswith(KEYED_PREFIX) else f"sha256:{digest}"


def _fit_id(text: str | None) -> str | None:
    """Replace an id that is too long or not printable by its digest."""
    if text is None or (len(text) <= MAX_NAME_CHARS and text.isprintable()):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def identify(source: Source, request: Request, body: Body, digests: Digests) -> str | None:
    """Return the provider's id of an event; None for an event that is never a duplicate."""
    return _fit_id(DEDUP_KEYS[source.dedup](source, request, body, digests))
