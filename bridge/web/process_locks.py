"""Locks by name that the processes of a machine share: at most one thread of all holds each.

A name is a byte of an anonymous file, locked as in fcntl(2). The kernel frees it when its process
ends, however that happens.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

MAX_PLACES: Final = 1 << 40


class ProcessLocks:
    """Locks by name. Create them before the fork, so that all receivers share them."""

    def __init__(self) -> None:
        self._file = os.memfd_create("flowbridge-locks", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self._file)
        self._mutex = threading.Lock()
        self._held: set[int] = set()  # by threads of this process

    def try_acquire(self, name: str) -> bool:
        """Take the lock of a name, and return whether it was free."""
        place = _place_of(name)
        with self._mutex:
            if place in self._held:
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except OSError:
                return False
            self._held.add(place)
            return True

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Hold the lock of a name until the end of the block; false where it is taken."""
        is_held = self.try_acquire(name)
        try:
            yield is_held
        finally:
            if is_held:
                self.release(name)

    def release(self, name: str) -> None:
        """Free the lock of a name that a thread of this process holds."""
        place = _place_of(name)
        with self._mutex:
            self._held.discard(place)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


def _place_of(name: str) -> int:
    digest = blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % MAX_PLACES
