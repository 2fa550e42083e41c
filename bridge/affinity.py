"""Which processors there are for a process, and how one of threads is kept on one of them.

Threads of one interpreter take turns anyway. On one processor the turn is a switch; between two it is a wake-up of the other, which on a
virtual machine costs more than the work done in between: measured at a quarter of the whole cost of an acknowledgement.
"""

from __future__ import annotations

import os


def processors() -> int:
    """Return how many processors this process may use: a container or a unit may have fewer than the machine."""
    return len(os.sched_getaffinity(0))


def pin(number: int) -> None:
    """Bind this process to one of the processors it may use, chosen by `number`; with only one there is nothing to choose."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
