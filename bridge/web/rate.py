"""Rate limits shared by the processes of a machine: one number per key in a piece of shared memory.

GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): what is kept is the time at which the bucket would be empty again. Keys
are hashed into a fixed table, so a flood of addresses takes no memory; two keys in one cell share a limit, which errs on the safe side.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from bridge.forms.addresses import sender
from bridge.pace import Rate
from bridge.routes import Source

CELLS = 65536
SALT = os.urandom(16)  # made before the fork; nobody can choose an address that shares the limit of another's
LOOKS: Final = 10  # a form may be looked at so many times as often as it may be sent
_CELL = struct.Struct("d")


class Unlimited:
    """Lets everything through."""

    def wait(self, _key: str, _rate: Rate, _now: float) -> float:
        """Return 0."""
        return 0.0


class Limiter:
    """Create it before the fork: the memory is then shared by all receivers."""

    def __init__(self) -> None:
        self._cells = mmap.mmap(-1, CELLS * _CELL.size)
        self._mutex = threading.Lock()

    def wait(self, key: str, rate: Rate, now: float) -> float:
        """Return 0 and count this request, or the seconds after which one would be let through."""
        digest = blake2b(key.encode(errors="surrogateescape"), digest_size=4, key=SALT).digest()
        at = int.from_bytes(digest, "big") % CELLS * _CELL.size
        apart = rate.per / rate.count
        with self._mutex:
            empty_at: float = max(_CELL.unpack_from(self._cells, at)[0], now)
            if empty_at + apart - now > rate.per:
                return empty_at + apart - now - rate.per
            _CELL.pack_into(self._cells, at, empty_at + apart)
        return 0.0


def wait_of(limiter: Limiter | Unlimited, source: Source, client: str | None, now: float, *, look: str = "") -> float:
    """Return 0 and count a request of this client to a source, or the seconds after which one would be let through.

    `look`: what of a form is looked at, `page` or `challenge`, where nothing is sent.
    """
    name, times = (f"{look} {source.name}", LOOKS) if look else (source.name, 1)
    limits = [(source.rate, name)] if source.rate else []
    if source.rate_per_address:
        limits.append((source.rate_per_address, f"{name} {sender(client)}"))
    for rate, key in limits:
        if wait := limiter.wait(key, replace(rate, count=rate.count * times) if look else rate, now):
            return wait
    return 0.0
