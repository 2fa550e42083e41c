"""Keep a process of threads on one processor.

Threads of one interpreter take turns anyway. On one processor the turn is a switch; between two it is a wake-up of the other, which on a
virtual machine costs more than the work done in between: measured at a quarter of the whole cost of an acknowledgement.
"""

from __future__ import annotations

import os


def pin(number: int) -> None:
    """Bind this process to one of the processors it may use, chosen by `number`; with only one there is nothing to choose."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
