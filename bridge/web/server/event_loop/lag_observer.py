"""Measures how long commits take, and how late an event loop runs without them."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import COMMIT, LOOP_LAG

SAMPLE_SECONDS: Final = 0.5  # between two measurements of the lag


class LagObserver:
    """Counts the histograms of a receiver on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._committed = 0.0  # seconds of commits on the loop since the sample was due

    def begin(self) -> None:
        """Measure the lag until the loop ends."""
        self._due = monotonic() + SAMPLE_SECONDS
        self._committed = 0.0
        self._loop.call_later(SAMPLE_SECONDS, self._observe_lag)

    def observe_commit(self, seconds: float, *, on_loop: bool) -> None:
        """Record the duration of a commit; the next lag leaves out one on the loop."""
        COUNTS.observe(COMMIT, seconds)
        if on_loop:
            self._committed += min(seconds, max(0.0, monotonic() - self._due))

    def _observe_lag(self) -> None:
        COUNTS.observe(LOOP_LAG, max(0.0, monotonic() - self._due - self._committed))
        self.begin()
