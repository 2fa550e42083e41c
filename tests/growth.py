"""Measure how the time of some work grows with its size."""

from __future__ import annotations

import time
from collections.abc import Callable

RUNS = 5


def growth(work: Callable[[int], object], size: int) -> float:
    """Return how many times as long `work(4 * size)` takes as `work(size)`: about 4 where it is linear, about 16 where it is quadratic.

    Each is the least of several runs, as a machine may charge a run for what others did.
    """

    def once(of: int) -> float:
        began = time.process_time()
        work(of)
        return time.process_time() - began

    times = [(once(size), once(4 * size)) for _ in range(RUNS)]
    return min(large for _, large in times) / min(small for small, _ in times)
