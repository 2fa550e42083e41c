"""Requests that failed verification: the bounded copy that is kept of one, and letting it in after all. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import BadSignature
from bridge.model import Reject, Request
from bridge.planning import MASK, hidden
from bridge.receive import Keep, Received, receive
from bridge.routes import Config, Source
from bridge.signatures import NO_KEYS, Keys

MOST = 64 * 1024  # bytes of a body that are kept
HEADERS = 16 * 1024  # characters of names and values of headers that are kept


def reject_of(request: Request, source: Source, reason: str, now: float, new_id: str) -> Reject:
    """Return the copy of a request that is kept; static credentials are masked, as they are in an event."""
    headers, query = hidden(request.headers, request.query_string, source.credentials)
    room, kept = HEADERS, {}
    for name, value in headers.items():
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
        query_string=query[:HEADERS],
        url=request.url[:HEADERS],
        body=request.body[:MOST],
        size=len(request.body),
        cut=len(request.body) > MOST,
        client=request.client,
    )


def request_of(reject: Reject) -> Request:
    """Return the request again, as far as it is kept."""
    return Request(method=reject.method, path=reject.path, headers=reject.headers, body=reject.body,
                   query_string=reject.query_string, url=reject.url, client=reject.client)  # fmt: skip


def obstacle(reject: Reject, config: Config) -> str | None:
    """Return why a reject can never be verified again, or None."""
    if reject.source not in config.sources:
        return f"routes.yaml has no source {reject.source!r} any more"
    if reject.cut:
        return f"only the first {MOST} of its {reject.size} bytes are kept"
    if MASK in reject.headers.values() and config.sources[reject.source].scheme.credentials:
        return "its credential is not kept, only that there was one"
    return None


def readmit(reject: Reject, config: Config, *, keep: Keep, new_id: Callable[[], str], keys: Keys = NO_KEYS) -> Received:
    """Verify a reject under the present configuration as of when it was received, and only then make it events.

    Raises `BadSignature` where it still fails, with the present reason, and what `receive` raises.
    """
    if obstacle(reject, config):
        raise BadSignature(reject.reason)
    source = config.sources[reject.source]
    return receive(request_of(reject), source, config, keep=keep, now=reject.received_at, new_id=new_id, keys=keys)
