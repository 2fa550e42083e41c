"""Types for the stages of a verified body: raw, masked, stored. Pure.

`RawBody` → `mask_body` → `MaskedBody` → `redaction.redact_body` → `StoredBody`. An event is built
from a `StoredBody` only, so the type checker refuses to store, plan or log what was not masked and
redacted. Each stage has the request with its headers and query, which are masked and redacted with
the body.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.core.http_messages import Request
from bridge.core.masking import mask_request
from bridge.core.model import Body
from bridge.ingest.source_bodies import RawBody, read_body
from bridge.routing.model import Source


@dataclass(frozen=True, slots=True)
class MaskedBody:
    """A request without static credentials, and its parsed body.

    It may hold values that the source redacts: never store it.
    """

    request: Request = field(repr=False)
    said: Body = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A request as it is stored, its parsed body, and the digest of the body."""

    request: Request = field(repr=False)
    said: Body = field(repr=False)
    digest: str


def mask_body(raw: RawBody, source: Source) -> MaskedBody:
    """Replace the static credentials of a request by a mask."""
    wrapped_in = source.provider.wrapped_in
    request = mask_request(raw.request, source.credentials, wrapped_in=wrapped_in)
    if request.body is raw.request.body or raw.said.problem is not None:
        return MaskedBody(request, raw.said)
    content_type = request.headers.get("content-type", "")
    return MaskedBody(request, read_body(source, content_type, request.body))
