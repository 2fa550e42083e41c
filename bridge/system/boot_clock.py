"""The clock that bounds calls: it is never stepped, and advances while the machine is suspended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.core.http_messages import Answer, Call, NoAnswer

# CLOCK_MONOTONIC stands still while the machine is suspended.
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_seconds() -> float:
    """Return the seconds since this machine booted, by a clock that is never stepped."""
    return time.clock_gettime(_BOOT_CLOCK)


class Deadline(NamedTuple):
    """The moment until which a call may take.

    It is handed on as a moment: a process that is stopped on the way gives the call no more time.
    `at`: of the boot clock. `seconds`: the time limit as it was set, for messages.
    """

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline of a call that begins now."""
        return cls(boot_seconds() + seconds, seconds)

    def left(self) -> float:
        """Return the seconds that are left; none or fewer once the deadline has passed."""
        return self.at - boot_seconds()


NO_DEADLINE: Final = Deadline(float("inf"), float("inf"))
#: makes a call within its deadline
TimedSend = Callable[[Call, Deadline], Answer | NoAnswer]


def limit_calls(send: TimedSend, seconds: float) -> Callable[[Call], Answer | NoAnswer]:
    """Return a `send` whose calls may each take so many seconds."""
    return lambda call: send(call, Deadline.after(seconds))
