"""The places of a receiver for readers: the admin API and the console share them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.web.admin import limits


class ReaderSeats:
    """Counts the requests of readers that a process answers at once: receiving comes first."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._taken = 0

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Take a place until the end of the block; false where all are taken."""
        with self._mutex:
            is_free = self._taken < limits.MAX_REQUESTS
            self._taken += is_free
        try:
            yield is_free
        finally:
            if is_free:
                with self._mutex:
                    self._taken -= 1
