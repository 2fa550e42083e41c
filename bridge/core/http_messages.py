"""HTTP requests and answers as frozen records: what a sender sent, and what a platform is sent and
answers. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One inbound HTTP request as it came: nothing in it has been checked.

    `headers` have lower-case names; a header sent twice is one value joined by a comma, as WSGI has
    it. `url` is the URL the sender called as far as we know it: the configured public URL with path
    and query.
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
    """An outgoing HTTP request, built by a platform, not yet sent. `most`: bytes of its answer that
    are read, null for the usual.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `headers` have lower-case names; `body` is cut at the sender's limit (then
    `truncated`).
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A call without an answer. `sent` is False only where it is certain that the request never
    left.
    """

    reason: str
    sent: bool
