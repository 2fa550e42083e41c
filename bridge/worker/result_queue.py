"""The results of calls, polls and local runs, on their way to the thread of the worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue

from bridge.system.wakeup import Wake
from bridge.worker.results import Result


class ResultQueue:
    """Results that any thread puts and the worker takes; each put wakes the worker."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._enough = 1  # results that wake the worker

    @property
    def is_empty(self) -> bool:
        """Return whether no result waits."""
        return self._results.empty()

    def put(self, result: Result) -> None:
        """Add a result, from any thread."""
        self._results.put(result)
        if self._results.qsize() >= self._enough:
            self._wake.notify()

    def take_all(self) -> Iterator[Result]:
        """Yield the results that wait, and those that come meanwhile."""
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                return
            yield result

    def gather(self, number: int, seconds: float) -> None:
        """Wait until so many results are here, or for `seconds`."""
        self._enough = number
        until = time.monotonic() + seconds
        while self._results.qsize() < number and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
        self._enough = 1
