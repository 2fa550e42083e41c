"""Frozen records of inbound requests, outgoing calls and their answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.records import record


@record
class Request:
    """One inbound HTTP request, unverified.

    `headers` have lower-case names; as in WSGI, a repeated header is one value joined by a comma.
    `url` is the URL that the sender called: the configured public URL with path and query.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query_string: str = ""
    url: str = ""
    client: str | None = None

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An outgoing HTTP request that a platform has built, not yet sent.

    `most`: the limit in bytes of the answer, null for the default.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a call.

    `headers` have lower-case names. `body` is cut at the call's limit (then `truncated`).
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A call without an answer. `sent` is False only if the request certainly never left."""

    reason: str
    sent: bool
