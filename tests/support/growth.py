"""How the time of some work grows with its size: independent of the machine's speed and of what
else it does.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

Work = Callable[[], object]

TIMES_LARGER: Final = 4
MOST_TIMES_SLOWER: Final = 8.0  # linear work takes 4 times as long, quadratic work 16 times
LEAST_SECONDS: Final = 0.004  # of one measurement: less is noise
# four times as many still fit into a core's cache; larger sizes measure the memory that others use,
# too
CACHED_BYTES: Final = 50_000
ROUNDS: Final = (3, 5, 12)  # measurements until a result is believed to be bad


def check_growth(prepare: Callable[[int], Work], size: int) -> None:
    """Check that work of 4 x `size` takes less than 8 times the processor time of work of `size`.

    What the larger size works on should fit into a core's cache: see `CACHED_BYTES`. `prepare`
    makes the work of a size; what it does itself is not measured. The best of several measurements
    counts, the two sizes in turn.
    """
    small = prepare(size)
    large = prepare(TIMES_LARGER * size)
    repeats = 1
    while measure(small, repeats) < LEAST_SECONDS:
        repeats *= 2
    smalls = []
    larges = []
    for rounds in ROUNDS:
        for _ in range(rounds):
            smalls.append(measure(small, repeats))
            larges.append(measure(large, repeats))
        if min(larges) < MOST_TIMES_SLOWER * min(smalls):
            return
    ratio = min(larges) / min(smalls)
    raise AssertionError(
        f"{TIMES_LARGER} times the size took {ratio:.1f} times the time: {min(larges):.4f} s after"
        f" {min(smalls):.4f} s"
    )


def measure(work: Work, repeats: int) -> float:
    """Return the processor time of this thread for doing work so many times, without that of the
    garbage collector.

    The collector walks all objects of the process, so its share depends on what other tests have
    left behind.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.thread_time()
        for _ in range(repeats):
            work()
        return time.thread_time() - began
    finally:
        if was_enabled:
            gc.enable()
