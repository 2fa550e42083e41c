"""Limits of the admin API: receiving comes first."""

from __future__ import annotations

from typing import Final

from bridge.core.rate_limits import Rate

#: Requests at once, of the 16 threads of a receiver.
MAX_REQUESTS: Final = 4
#: Requests with one token: 20 a second, in bursts of 100.
READ_RATE: Final = Rate(count=100, per=5.0)
#: Requests of one address without a valid token.
REFUSED_RATE: Final = Rate(count=20, per=60.0)
#: Streams at once of a receiver; each takes one of the places of `MAX_REQUESTS` too.
MAX_STREAMS: Final = 2
STREAM_RETRY_SECONDS: Final = 5
