"""Counts of the submissions that forms refuse: in memory, stored at most once a second.

A refused submission costs the receiver an addition. The counts of the last second are lost when
the process ends.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from bridge.core.errors import StoreError
from bridge.core.rate_limits import hour_of
from bridge.core.timings import TIMINGS, Timings
from bridge.store.inbound.refused_submissions import Counts

#: Sources, hours and codes that are counted at once; beyond them no new key is counted.
MAX_KEYS: Final = 1000


class RefusalCounter:
    """Counts of refused submissions that are not stored yet. Thread-safe.

    It starts no thread before the first refusal, so it may be created before a fork.
    """

    def __init__(
        self,
        store: Callable[[Counts], None],
        is_full: Callable[[], bool] = lambda: False,
        timings: Timings = TIMINGS,
    ) -> None:
        """Create the counter.

        `store` adds counts to the stored ones; `is_full`: the disk has no room for them now.
        """
        self._store = store
        self._is_full = is_full
        self._timings = timings
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._timer: threading.Timer | None = None
        self._mutex = threading.Lock()

    def add(self, source: str, code: str, now: float) -> None:
        """Count one refused submission."""
        key = (source, hour_of(now), code)
        with self._mutex:
            if key in self._counts or len(self._counts) < MAX_KEYS:
                self._counts[key] += 1
            self._plan(self._timings.refusals_write_seconds)

    def write(self) -> None:
        """Write the counts to the store. If that fails they stay in memory for the next try."""
        with self._mutex:
            self._timer = None
            counts = self._counts
            self._counts = Counter()
        if not counts:
            return
        try:
            if self._is_full():
                raise StoreError("the disk is nearly full")
            self._store(counts)
        except StoreError:
            with self._mutex:
                for key, count in counts.items():
                    if key in self._counts or len(self._counts) < MAX_KEYS:
                        self._counts[key] += count
                self._plan(self._timings.refusals_retry_seconds)

    def _plan(self, seconds: float) -> None:
        """Schedule the write, unless it is scheduled already."""
        if self._timer is None:
            self._timer = threading.Timer(seconds, self.write)
            self._timer.daemon = True
            self._timer.start()
