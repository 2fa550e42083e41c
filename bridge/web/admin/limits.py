"""Limits of the admin API: receiving comes first."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bridge.core.rate_limits import Rate
from bridge.core.units import MIB

#: Requests at once, of the 16 threads of a receiver.
MAX_REQUESTS: Final = 4
#: Of them, those that wait for others: streams, `wait` of /tail, and questions to platforms.
MAX_SLOW_REQUESTS: Final = 3
#: Requests with one token: 20 a second, in bursts of 100.
READ_RATE: Final = Rate(count=100, per=5.0)
#: Requests with one token that change something: 1 a second, in bursts of 10.
OPERATION_RATE: Final = Rate(count=10, per=10.0)
#: Requests of one address without a valid token.
REFUSED_RATE: Final = Rate(count=20, per=60.0)
#: Streams at once of a receiver; each takes one of the places of `MAX_REQUESTS` too.
MAX_STREAMS: Final = 2
STREAM_RETRY_SECONDS: Final = 5
#: Bytes of a request's body.
MAX_BODY_BYTES: Final = 1 * MIB
#: Bytes of all bodies that arrive at once: no thread is without its share of them.
MAX_ARRIVING_BYTES: Final = 16 * MAX_BODY_BYTES
#: Characters of the header `X-Flowbridge-Actor`; the rest is dropped.
MAX_ACTOR_CHARS: Final = 100


class RateKind(StrEnum):
    """Kinds of requests that are counted apart, each for every token."""

    READS = "reads"
    OPERATIONS = "operations"


def find_kind(*, changes: bool) -> RateKind:
    """Return the kind of a request, by whether it may change something."""
    return RateKind.OPERATIONS if changes else RateKind.READS


def rate_of(kind: RateKind) -> Rate:
    """Return the rate of a kind of requests."""
    return OPERATION_RATE if kind is RateKind.OPERATIONS else READ_RATE
