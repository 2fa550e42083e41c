"""The counters of a process for `/metrics`, in memory: counting never delays an event.

`counter_files` writes them to the data folder, and sums them over the processes of a machine.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from typing import Any, Final

from bridge.monitoring.metrics import PROCESS_METRICS, Metric

MAX_SERIES: Final = 5000  # of a process; further series are not counted
# seconds; the last one is unbounded
BUCKET_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Series = tuple[str, ...]  # the metric's name and the values of its labels
_KINDS: Final = {metric.name: metric for metric in PROCESS_METRICS}


class Counts:
    """Counters, histograms and last times, by series. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._numbers: dict[Series, float] = defaultdict(float)
        self._spans: dict[str, list[float]] = {}
        self._times: dict[Series, float] = {}
        self.changes = 0

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Increment a counter."""
        series = (metric.name, *labels)
        with self._mutex:
            if series in self._numbers or len(self._numbers) < MAX_SERIES:
                self._numbers[series] += by
                self.changes += 1

    def observe(self, metric: Metric, seconds: float) -> None:
        """Add a duration to its bucket of a histogram, and to the sum."""
        with self._mutex:
            span = self._spans.setdefault(metric.name, _no_span())
            span[bisect_left(BUCKET_SECONDS, seconds)] += 1
            span[-1] += seconds
            self.changes += 1

    def mark(self, name: str, *labels: str, at: float) -> None:
        """Record when something happened last."""
        series = (name, *labels)
        with self._mutex:
            latest = self._times.get(series)
            if latest is None and len(self._times) >= MAX_SERIES:
                return
            if latest is None or at > latest:
                self._times[series] = at
                self.changes += 1

    def times(self, name: str) -> dict[Series, float]:
        """Return when something happened last, by the values of its labels."""
        with self._mutex:
            return {series[1:]: at for series, at in self._times.items() if series[0] == name}

    def dump(self) -> dict[str, Any]:
        """Return all counts as JSON."""
        with self._mutex:
            numbers = [[*series, number] for series, number in self._numbers.items()]
            return {
                "numbers": numbers,
                "spans": {name: list(span) for name, span in self._spans.items()},
                "times": [[*series, at] for series, at in self._times.items()],
            }

    def merge(self, other: dict[str, Any]) -> None:
        """Add the counts of another process, except metrics that this version does not have."""
        for name, *labels, number in other["numbers"]:
            if name in _KINDS and len(labels) == len(_KINDS[name].labels):
                self.add(_KINDS[name], *labels, by=number)
        for name, *labels, at in other.get("times", ()):  # earlier versions have none
            self.mark(name, *labels, at=at)
        with self._mutex:
            for name, span in other["spans"].items():
                kept = self._spans.setdefault(name, _no_span())
                if len(span) == len(kept):
                    kept[:] = map(sum, zip(kept, span, strict=True))

    def numbers(self, metric: Metric) -> list[tuple[Series, float]]:
        """Return the series of one metric: the values of its labels, and the number."""
        with self._mutex:
            return [
                (series[1:], number)
                for series, number in self._numbers.items()
                if series[0] == metric.name
            ]

    def span(self, metric: Metric) -> list[float]:
        """Return the count of each bucket (the last is unbounded), and at the end the sum."""
        with self._mutex:
            return list(self._spans.get(metric.name, _no_span()))


def _no_span() -> list[float]:
    return [0.0] * (len(BUCKET_SECONDS) + 2)


COUNTS: Final = Counts()  # this process's
