"""Which processors there are for a process, and how one of threads is kept on one of them.

Threads of one interpreter take turns anyway. On one processor the turn is a switch; between two it
is a wake-up of the other, which on a virtual machine costs more than the work done in between:
measured at a quarter of the whole cost of an acknowledgement.

Each thread that waits for its turn wakes after the interpreter's switch interval, to ask for it.
Ours seldom need to ask: none works for long without a call that gives the turn up by itself. With
ten of them waiting, the usual interval is two thousand wake-ups a second.
"""

from __future__ import annotations

import os
import sys
from typing import Final

# seconds that a thread may go on while others wait for the interpreter; 0.005 is Python's own
TURN: Final = 0.02


def processors() -> int:
    """Return how many processors this process may use: a container or a unit may have fewer than
    the machine.
    """
    return len(os.sched_getaffinity(0))


def pin(number: int) -> None:
    """Bind this process to one of the processors it may use, chosen by `number`, and let its
    threads take long turns on it.

    With only one processor there is nothing to choose.
    """
    sys.setswitchinterval(TURN)
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
