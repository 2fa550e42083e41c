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
        self._slow = 0

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

    @contextmanager
    def wait_in_place(self) -> Iterator[bool]:
        """Let a request that has a place wait for others until the end of the block; false where
        too many do so: a place is left for those that take a moment only.
        """
        with self._mutex:
            may_wait = self._slow < limits.MAX_SLOW_REQUESTS
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
        own. It may be one too many for a moment then.
        """
        with self._mutex:
            self._taken -= 1
        try:
            yield
        finally:
            with self._mutex:
                self._taken += 1
