"""The pace of an operation: at most so many items in a time, such as `50/s`."""

from __future__ import annotations

import time
from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.core.rate_limits import Rate

BATCH_SECONDS = (
    0.1  # seconds of a rate that are done in one go: a commit for each item would be slow
)
CATCH_UP_SECONDS = 1.0  # seconds that are made up for at most, after a commit that took long


def rate_of(text: str) -> Rate:
    """Return the rate that a text says; `ValueError` where it says none."""
    from bridge.config.schema.units import rate

    return rate(text)


class Pacer:
    """Lets items go no faster than a rate, null for as fast as they can."""

    def __init__(self, text: str | None) -> None:
        rate = None if text is None else rate_of(text)
        self._every = 0.0 if rate is None else rate.per / rate.count  # seconds
        self._began = time.monotonic()
        self._gone = 0

    def wait(self, most: int) -> int:
        """Wait until some may go, and return how many: one at least, and at most so many."""
        if not self._every:
            return most
        while True:
            now = time.monotonic()
            self._began = max(self._began, now - self._gone * self._every - CATCH_UP_SECONDS)
            due = floor((now - self._began) / self._every) + 1 - self._gone
            if due > 0:
                return min(due, most)
            time.sleep(max(self._began + self._gone * self._every - now, BATCH_SECONDS))

    def went(self, count: int) -> None:
        """Note how many have gone."""
        self._gone += count
