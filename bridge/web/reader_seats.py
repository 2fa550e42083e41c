"""The places of a process for readers: the admin API and the console share them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bridge.web.admin import limits

#: The extension of the Flask application that has its `ReaderSeats`.
READER_SEATS: Final = "flowbridge_reader_seats"


class ReaderSeats:
    """Limits the requests of readers that a process answers at once, since receiving comes first.

    `factor`: how many times the places of a receiver there are. The console process, which receives
    nothing, has more.
    """

    def __init__(self) -> None:
        self.factor = 1
        self._mutex = threading.Lock()
        self._taken = 0
        self._slow = 0

    @property
    def most(self) -> int:
        """Return how many requests are answered at once."""
        return limits.MAX_REQUESTS * self.factor

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Take a place until the end of the block; false where all are taken."""
        with self._mutex:
            is_free = self._taken < self.most
            self._taken += is_free
        try:
            yield is_free
        finally:
            if is_free:
                with self._mutex:
                    self._taken -= 1

    @contextmanager
    def wait_in_place(self) -> Iterator[bool]:
        """Let a request that has a place wait, such as for an event, until the end of the block.

        False where too many wait: some places are only for requests that answer at once.
        """
        with self._mutex:
            may_wait = self._slow < limits.MAX_SLOW_REQUESTS * self.factor
            self._slow += may_wait
        try:
            yield may_wait
        finally:
            if may_wait:
                with self._mutex:
                    self._slow -= 1

    @contextmanager
    def leave(self) -> Iterator[None]:
        """Give the place of a request back until the end of the block, which has a limit of its
        own.

        Another request may take the place, so one more than `most` may be answered after the block.
        """
        with self._mutex:
            self._taken -= 1
        try:
            yield
        finally:
            with self._mutex:
                self._taken += 1
