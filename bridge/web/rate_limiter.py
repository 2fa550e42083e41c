"""Rate limits shared by the processes of a machine: one number per key in a piece of shared memory.

GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): what is kept is the time at which
the bucket would be empty again. Keys are hashed into a fixed table, so a flood of addresses takes
no memory; two keys in one cell share a limit, which errs on the safe side.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from bridge.core.client_address import sender
from bridge.core.rate_limits import Rate
from bridge.routing.model import Source

CELLS = 65536
# made before the fork; nobody can choose an address that shares the limit of another's
SALT = os.urandom(16)
LOOKS: Final = 10  # a form may be looked at so many times as often as it may be sent
_CELL = struct.Struct("d")


class Limiter:
    """Create it before the fork: the memory is then shared by all receivers."""

    def __init__(self) -> None:
        self._cells = mmap.mmap(-1, CELLS * _CELL.size)
        self._mutex = threading.Lock()

    def wait(self, limits: Sequence[tuple[str, Rate]], now: float) -> float:
        """Count a request under every key and return 0; where one rate refuses it, count it nowhere
        and return the seconds to wait.
        """
        longest = 0.0
        with self._mutex:
            times: dict[int, float] = {}  # by cell: two keys may share one
            for key, rate in limits:
                cell = _cell_of(key)
                apart = rate.per / rate.count
                empty_at = (
                    times.get(cell, max(_CELL.unpack_from(self._cells, cell)[0], now)) + apart
                )
                longest = max(longest, empty_at - now - rate.per)
                times[cell] = empty_at
            if longest <= 0:
                for cell, empty_at in times.items():
                    _CELL.pack_into(self._cells, cell, empty_at)
        return longest


def _cell_of(key: str) -> int:
    """Return the place of a key's number in the shared memory."""
    digest = blake2b(key.encode(errors="surrogateescape"), digest_size=4, key=SALT).digest()
    return int.from_bytes(digest, "big") % CELLS * _CELL.size


def wait_of(
    limiter: Limiter, source: Source, client: str | None, now: float, *, look: str = ""
) -> float:
    """Return 0 and count a request of this client to a source, or the seconds after which one would
    be let through.

    The rate of the address is looked at together with that of the source: a request that one of
    them refuses counts for neither.
    `look`: what of a form is looked at, `page` or `challenge`, where nothing is sent.
    """
    name, times = (f"{look} {source.name}", LOOKS) if look else (source.name, 1)
    limits = (
        [(f"{name} {sender(client)}", source.rate_per_address)] if source.rate_per_address else []
    )
    if source.rate:
        limits.append((name, source.rate))
    return limiter.wait(
        [(key, replace(rate, count=rate.count * times)) for key, rate in limits], now
    )
