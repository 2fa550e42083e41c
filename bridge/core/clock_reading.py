"""Readings of a machine's clocks, and by how much its wall clock was stepped between two of them.
Pure.

The wall clock says what time it is, and can be set. The boot clock counts the seconds since the
machine booted, goes on while the machine is suspended, and cannot be set; it means nothing on
another machine or after another boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# a smaller difference between two clocks is drift, or the time that a question takes
STEP_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The clocks at one moment: the wall clock that the store goes by (`at`), and the boot clock
    with its boot and its host.

    `platform_at`: what time it was by the clock of the platform that is called. Null is what is not
    known.
    """

    at: float
    boot_clock: float | None = None
    boot_id: str | None = None
    host: str | None = None
    platform_at: float | None = None

    def is_same_boot(self, other: ClockReading) -> bool:
        """Tell whether the boot clocks of both readings can be compared."""
        is_whole = None not in (self.boot_clock, other.boot_clock, self.boot_id, self.host)
        return is_whole and (self.boot_id, self.host) == (other.boot_id, other.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The time between two readings: `seconds` that really passed, and by how many the wall clock
    was stepped forward meanwhile.
    """

    seconds: float
    step: float


def passed(before: ClockReading, after: ClockReading) -> Passed | None:
    """Compare two readings; null where no clock that was not set runs through both.

    The boot clock tells where both are of one boot of one host, else the platform's clock does.
    """
    if before.is_same_boot(after):
        seconds = (after.boot_clock or 0.0) - (before.boot_clock or 0.0)
        if seconds < 0:  # a machine that was put back to an earlier state of itself
            return None
    elif before.platform_at is not None and after.platform_at is not None:
        seconds = after.platform_at - before.platform_at
    else:
        return None
    return Passed(seconds=seconds, step=after.at - before.at - seconds)
