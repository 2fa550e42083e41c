"""Limits of the log lines that strangers can cause: beyond a rate they are counted, not written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.core.rate_limits import Rate

LINE_RATE: Final = Rate(count=30, per=60.0)  # of each kind of line, in each process
MAX_KINDS: Final = 1000  # that are counted separately; all others share one limit
OTHER_KINDS: Final = ()


@dataclass(slots=True)
class _Window:
    """The lines of a kind since `began_at`, and those left out since the last one written."""

    began_at: float
    written: int = 0
    omitted: int = 0


class LineLimiter:
    """Counts of limited log lines. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._mutex = threading.Lock()

    def count(self, kind: tuple[str, ...]) -> int | None:
        """Count a line, and return how many were left out since the last one that was written.

        None: leave out this one too.
        """
        now = self._clock()
        with self._mutex:
            if kind not in self._windows and len(self._windows) >= MAX_KINDS:
                kind = OTHER_KINDS
            window = self._windows.setdefault(kind, _Window(now))
            if now - window.began_at >= LINE_RATE.per:
                window.began_at, window.written = now, 0
            if window.written >= LINE_RATE.count:
                window.omitted += 1
                return None
            window.written += 1
            omitted, window.omitted = window.omitted, 0
            return omitted

    def clear(self) -> None:
        """Forget all lines."""
        with self._mutex:
            self._windows.clear()


LINES = LineLimiter()  # of this process
