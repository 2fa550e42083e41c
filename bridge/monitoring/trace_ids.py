"""The ids of traces and spans. Pure.

All ids derive from stored ids. So every process reports the same trace at any time, and a crash
loses nothing of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.model import Source

TRACEPARENT_HEADER: Final = "traceparent"
# of a run's process: https://opentelemetry.io/docs/specs/otel/context/env-carriers/
TRACEPARENT_VARIABLE: Final = "TRACEPARENT"
#: https://www.w3.org/TR/trace-context/#traceparent-header-field-values; a later version may have
#: more behind these four.
_HEADER: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)


_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class SpanReference:
    """A reference to a span: its trace (32 hexadecimal digits), its id (16), and whether it is
    recorded.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    def __str__(self) -> str:
        """Return the value of `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def read_traceparent(header: str) -> SpanReference | None:
    """Parse a `traceparent` header; return None if it is not valid."""
    match = _HEADER.fullmatch(header)
    if match is None or (match[1] == "00" and match[5]):
        return None
    return SpanReference(match[2], match[3], bool(int(match[4], 16) & _SAMPLED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace. `parent`: the sender's span that it continues; `link`: a span that it refers to,
    of a sender without proof.
    """

    id: str
    parent: SpanReference | None = None
    link: SpanReference | None = None


def trace_of(event_id: str, headers: Mapping[str, str], source: Source | None) -> Trace:
    """Return the trace of an event: the sender's if the source verifies it, else a new one.

    An unverified request gets no parent: it could choose what is recorded, and write into the trace
    of another.
    """
    sent = read_traceparent(headers.get(TRACEPARENT_HEADER, ""))
    is_proven = (
        source is not None and source.form is None and not isinstance(source.scheme, Unsigned)
    )
    if sent is not None and is_proven:
        return Trace(id=sent.trace_id, parent=sent)
    return Trace(id=digest_id(32, "trace", event_id), link=sent)


def event_span_id(event_id: str) -> str:
    """Return the id of the span of an event's receipt, the root of its other spans."""
    return digest_id(16, "event", event_id)


def attempt_span_id(delivery_id: str, number: int) -> str:
    """Return the id of the span of an attempt."""
    return digest_id(16, "attempt", delivery_id, str(number))


def run_span_id(key: str) -> str:
    """Return the id of the span of a run, from the idempotency key of its start."""
    return digest_id(16, "run", key)


def digest_id(length: int, *of: str) -> str:
    return hashlib.sha256("\0".join(of).encode()).hexdigest()[:length]
