"""CPU affinity of this process and the switch interval of its threads.

Threads of one interpreter run one at a time. On one processor, passing the interpreter lock is a
context switch; between two it wakes the other processor, which on a virtual machine costs more than
the work in between: measured at a quarter of the whole cost of an acknowledgement.

Each thread that waits for the lock wakes after the interpreter's switch interval to request it. Our
threads seldom need to: each soon makes a call that releases the lock. With ten threads waiting, the
default interval causes two thousand wake-ups a second. A thread that computes for longer calls
`switch_often`. In a model of a request on the event loop beside two such threads, where each
release of the lock waits for them, its p99 was 125 to 176 ms with the usual interval, 72 to 113
with the default, and 4 to 31 with the short one.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# how long a thread may hold the interpreter lock while others wait; Python's default is 0.005
SWITCH_INTERVAL_SECONDS: Final = 0.02
READING_SWITCH_SECONDS: Final = 0.0002

_mutex = threading.Lock()
_intervals: list[float] = []  # before each thread that switches often; the first is the usual one


def count_processors() -> int:
    """Return how many processors this process may use.

    A container or a systemd unit may have fewer than the machine.
    """
    return len(os.sched_getaffinity(0))


def lengthen_switch_interval() -> None:
    """Let threads of this process hold the interpreter lock for longer while others wait."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)


def pin_process(number: int) -> None:
    """Pin this process to one of its processors by `number`.

    A process whose threads pass work on costs less then, but waits where another program uses that
    processor.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) > 1:
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})


@contextmanager
def switch_often() -> Iterator[None]:
    """Hold the interpreter lock only briefly while others wait, until the end of the block."""
    with _mutex:
        _intervals.append(sys.getswitchinterval())
        sys.setswitchinterval(READING_SWITCH_SECONDS)
    try:
        yield
    finally:
        with _mutex:
            usual = _intervals.pop()
            if not _intervals:
                sys.setswitchinterval(usual)
