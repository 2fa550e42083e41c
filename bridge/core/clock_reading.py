"""Readings of a machine's clocks, and the step of the wall clock between two of them. Pure.

The wall clock says what time it is, and can be set. The boot clock counts the seconds since the
machine booted, goes on while the machine is suspended, and cannot be set; it means nothing on
another machine or after another boot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# a smaller difference between two clocks is drift, or the time of a request
MIN_STEP_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The clocks at one moment: the store's wall clock (`at`), and the boot clock of a host's boot.

    `platform_at`: the time by the clock of a platform that was called. Unknown values are null.
    """

    at: float
    boot_clock: float | None = None
    boot_id: str | None = None
    host: str | None = None
    platform_at: float | None = None

    def is_same_boot(self, other: ClockReading) -> bool:
        """Return whether the boot clocks of both readings are comparable."""
        is_whole = None not in (self.boot_clock, other.boot_clock, self.boot_id, self.host)
        return is_whole and (self.boot_id, self.host) == (other.boot_id, other.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDifference:
    """The time between two readings: elapsed `seconds`, and the wall clock's forward `step`."""

    seconds: float
    step: float


def compare_readings(before: ClockReading, after: ClockReading) -> ClockDifference | None:
    """Compare two readings; None if no clock that cannot be set runs through both.

    The boot clock decides if both are of one boot of one host, else the platform's clock does.
    """
    if before.is_same_boot(after):
        seconds = (after.boot_clock or 0.0) - (before.boot_clock or 0.0)
        if seconds < 0:  # a virtual machine that was restored from a snapshot
            return None
    elif before.platform_at is not None and after.platform_at is not None:
        seconds = after.platform_at - before.platform_at
    else:
        return None
    return ClockDifference(seconds=seconds, step=after.at - before.at - seconds)
