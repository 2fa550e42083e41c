"""Rate limit of an operation, such as `50/s`."""

from __future__ import annotations

import time
from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.core.rate_limits import Rate

BATCH_SECONDS = 0.1  # of a rate in one commit: a commit for each item would be slow
CATCH_UP_SECONDS = 1.0  # that a slow commit may be made up for


def parse_rate(text: str) -> Rate:
    """Parse a rate. Raises `ValueError`."""
    from bridge.config.schema.units import parse_rate

    return parse_rate(text)


class Pacer:
    """Limits items to a rate; None means no limit."""

    def __init__(self, text: str | None) -> None:
        rate = None if text is None else parse_rate(text)
        self._every = 0.0 if rate is None else rate.per / rate.count  # seconds
        self._began = time.monotonic()
        self._gone = 0

    def wait(self, limit: int) -> int:
        """Wait until items may go, and return how many: from 1 to `limit`."""
        while True:
            due = self.count_due(limit)
            if due > 0:
                return due
            time.sleep(
                max(self._began + self._gone * self._every - time.monotonic(), BATCH_SECONDS)
            )

    def count_due(self, limit: int) -> int:
        """Return how many items may go now: from 0 to `limit`."""
        if not self._every:
            return limit
        now = time.monotonic()
        self._began = max(self._began, now - self._gone * self._every - CATCH_UP_SECONDS)
        due = floor((now - self._began) / self._every) + 1 - self._gone
        return max(0, min(due, limit))

    def count_done(self, count: int) -> None:
        """Count items that are done."""
        self._gone += count
