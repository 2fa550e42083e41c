"""Rate limits shared by the processes of a machine: one number per key in shared memory.

GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): the number is the time at which
the bucket is empty again. Keys are hashed into a fixed table, so a flood of addresses takes no
memory; two keys in one cell share a limit, which errs on the safe side. A number further ahead than
the period of the rate was stored by a clock that was wrong then, and counts as now.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from bridge.core.client_address import counted_network
from bridge.core.clock_reading import MIN_STEP_SECONDS
from bridge.core.rate_limits import Rate
from bridge.routing.model import Source

CELLS = 65536
# created before the fork; secret, so that no client can choose an address that shares a limit
SALT = os.urandom(16)
VIEWS_PER_SUBMISSION: Final = 10  # how much oftener a form may be viewed than sent
ROUNDING: Final = 1e-6  # of a request
_CELL = struct.Struct("d")


@dataclass(frozen=True, slots=True)
class RateUse:
    """Use of a rate: how many requests may follow at once, and when none is counted any more."""

    left: int
    reset_seconds: float


class RateLimiter:
    """Rate limits in shared memory. Create it before the fork, so that all receivers share it."""

    def __init__(self) -> None:
        self._cells = mmap.mmap(-1, CELLS * _CELL.size)
        self._mutex = threading.Lock()

    def wait(self, limits: Sequence[tuple[str, Rate]], now: float) -> float:
        """Count a request under every key and return 0, or return the seconds to wait.

        A request that one of the rates refuses counts under no key.
        """
        longest = 0.0
        with self._mutex:
            times: dict[int, float] = {}  # by cell: two keys may share one
            for key, rate in limits:
                cell = _cell_of(key)
                apart = rate.per / rate.count
                empty_at = times.get(cell, self._empty_at(cell, rate, now)) + apart
                longest = max(longest, empty_at - now - rate.per)
                times[cell] = empty_at
            if longest <= 0:
                for cell, empty_at in times.items():
                    _CELL.pack_into(self._cells, cell, empty_at)
        return longest

    def read_use(self, key: str, rate: Rate, now: float) -> RateUse:
        """Return how much of a rate is left under a key, and count nothing."""
        with self._mutex:
            used_seconds = self._empty_at(_cell_of(key), rate, now) - now
        left = int((rate.per - used_seconds) * rate.count / rate.per + ROUNDING)
        return RateUse(left=max(0, left), reset_seconds=used_seconds)

    def _empty_at(self, cell: int, rate: Rate, now: float) -> float:
        """Return when the bucket is empty again, or now if it is empty."""
        (stored_at,) = _CELL.unpack_from(self._cells, cell)
        return float(stored_at) if now < stored_at <= now + rate.per + MIN_STEP_SECONDS else now


def _cell_of(key: str) -> int:
    """Return the place of a key's number in the shared memory."""
    digest = blake2b(key.encode(errors="surrogateescape"), digest_size=4, key=SALT).digest()
    return int.from_bytes(digest, "big") % CELLS * _CELL.size


def wait_for_rate(
    limiter: RateLimiter, source: Source, client: str | None, now: float, *, look: str = ""
) -> float:
    """Count a request of a client to a source and return 0, or return the seconds to wait.

    The rates of the address and of the source apply together: a request that one of them refuses
    counts for neither. `look`: the view of a form, `page` or `challenge`, if nothing is sent.
    """
    name, times = (f"{look} {source.name}", VIEWS_PER_SUBMISSION) if look else (source.name, 1)
    limits = (
        [(f"{name} {counted_network(client)}", source.rate_per_address)]
        if source.rate_per_address
        else []
    )
    if source.rate:
        limits.append((name, source.rate))
    return limiter.wait(
        [(key, replace(rate, count=rate.count * times)) for key, rate in limits], now
    )
