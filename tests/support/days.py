"""What goes by the days of the calendar."""

from __future__ import annotations

import time

from bridge.core.units import DAY


def within_a_day(seconds: float = 120.0) -> None:
    """Wait for the next day (UTC) where this one has fewer seconds left: what is counted by the day
    would begin anew in the middle.
    """
    left = DAY - time.time() % DAY
    if left < seconds:
        time.sleep(left + 1.0)
