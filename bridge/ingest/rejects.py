"""Rejects: the bounded copy of a request that failed verification, and readmission. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import compile_locator
from bridge.core.masking import MASK, is_body_locator, mask_request
from bridge.core.model import Reject
from bridge.ingest.effects import OfflineEffects, PreparedRequest
from bridge.ingest.receive import Received, prepare
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.locations import proof_locators, signs_url
from bridge.providers.signatures.request_view import RequestView
from bridge.routing.model import Config, Source

MAX_REJECT_BODY_BYTES = 64 * 1024
MAX_REJECT_HEADER_CHARS = 16 * 1024  # of all names and values together


def build_reject(
    request: Request,
    source: Source,
    reason: str,
    now: float,
    new_id: str,
    others: Iterable[Source] = (),
) -> Reject:
    """Return the copy of a rejected request to store, with static credentials masked.

    A credential in a signed body is not masked: the copy could not be verified again. A request to
    the wrong URL contains another source's credentials, so those of all providers and of `others`
    are masked too.
    """
    # an unverified body has no known structure, so it cannot be redacted: it is not stored
    max_bytes = MAX_REJECT_BODY_BYTES if source.redact is None or not source.redact.body else 0
    kept_from = replace(request, body=request.body[:max_bytes])
    locators = [
        locator
        for locator in source.credentials
        if not is_body_locator(locator) or locator in source.scheme.credentials
    ]
    locators += _foreign_credentials(request, source, others)
    if source.redact is not None:
        locators += [f"header:{name}" for name in source.redact.headers] + [
            f"query:{name}" for name in source.redact.query
        ]
    masked = mask_request(
        kept_from, locators, wrapped_in=source.provider.wrapped_in, verified=False
    )
    room = MAX_REJECT_HEADER_CHARS
    kept = {}
    for name, value in masked.headers.items():
        room -= len(name) + len(value)
        if room >= 0:
            kept[name] = value
    return Reject(
        id=new_id,
        source=source.name,
        provider=source.provider.name,
        received_at=now,
        reason=reason,
        method=request.method,
        path=request.path,
        headers=kept,
        query_string=masked.query_string[:MAX_REJECT_HEADER_CHARS],
        url=masked.url[:MAX_REJECT_HEADER_CHARS],
        body=masked.body,
        size=len(request.body),
        cut=len(request.body) > max_bytes,
        client=request.client,
    )


def _foreign_credentials(request: Request, source: Source, others: Iterable[Source]) -> list[str]:
    """Return the locators of possible credentials of other sources, also under prefixed names."""
    rows = (
        row.credentials + (row.scheme.credentials if row.scheme else ())
        for row in PROVIDERS.values()
    )
    signatures = (
        set(proof_locators(source.scheme)) - source.credentials
    )  # not masked: they are needed to verify it again
    credentials = {locator for row in rows for locator in row}.union(
        *(other.credentials for other in others)
    ) - signatures
    headers = tuple(locator[7:] for locator in credentials if locator.startswith("header:"))
    header_locators = [
        f"header:{name}"
        for name in request.headers
        if name in headers or name.endswith(tuple(f"-{header}" for header in headers))
    ]
    return (
        header_locators
        if signs_url(source.scheme)
        else [
            *header_locators,
            *(locator for locator in credentials if locator.startswith("query:")),
        ]
    )


def rebuild_request(reject: Reject) -> Request:
    """Return the request as far as it is stored."""
    return Request(
        method=reject.method,
        path=reject.path,
        headers=reject.headers,
        body=reject.body,
        query_string=reject.query_string,
        url=reject.url,
        client=reject.client,
    )


def readmission_obstacle(reject: Reject, config: Config) -> str | None:
    """Return why a reject cannot be verified again, or None."""
    if reject.source not in config.sources:
        return f"routes.yaml no longer has the source {reject.source!r}"
    if reject.cut:
        return f"only the first {len(reject.body)} of its {reject.size} bytes are stored"
    if _is_masked(reject, config.sources[reject.source]):
        return "its credential is not stored, only masked"
    return None


def _is_masked(reject: Reject, source: Source) -> bool:
    """Return whether the mask is in place of the scheme's proof, or of an unreadable one."""
    view = RequestView(rebuild_request(reject))
    for text in proof_locators(source.scheme):
        try:
            if view.find(compile_locator(text)) == MASK:
                return True
        except BadSignature:
            return reject.body.endswith(MASK.encode())
    return False


def prepare_readmission(
    reject: Reject, config: Config, *, new_id: Callable[[float], str], keys: KeySource = NO_KEYS
) -> PreparedRequest | None:
    """Verify a reject with the current configuration at its time of receipt, and return its events,
    planned and not stored yet; None for a test of the URL, which is no event.

    Raises `BadSignature` with the present reason if it still fails, and what `prepare` raises.
    """
    if readmission_obstacle(reject, config):
        raise BadSignature(reject.reason)
    source = config.sources[reject.source]
    effects = OfflineEffects(new_id=new_id, keys=keys)
    prepared = prepare(rebuild_request(reject), source, config, effects, reject.received_at)
    return None if isinstance(prepared, Received) else prepared


def describe_cut(reject: Reject) -> str:
    """Return which part of the body of a cut reject is stored."""
    if not reject.body:
        return "its body is not stored, because its source has `redact` for bodies"
    return f"only the first {len(reject.body)} of its {reject.size} bytes are stored"
