"""How much of a route may start: `rate`, spread evenly, and `max_runs_per_day`. Pure.

A rate of 30/min is a start every two seconds, with at most a tenth of a second made up for:
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Final

CATCH_UP: Final = 0.1  # seconds
HOUR: Final = 3600.0
DAY: Final = 86400.0  # a day begins at 00:00 UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` requests in `per` seconds."""

    count: int
    per: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a route goes at a time: runs in flight, starts in a time, starts in a day (UTC).
    Null: no limit.
    """

    max_concurrent_runs: int | None = None
    rate: Rate | None = None
    max_runs_per_day: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What has started of a route lately: the next start is due at `next_at`, and `starts` were
    made on `day` (days since 1970).
    """

    next_at: float = 0.0
    day: int = 0
    starts: int = 0


def day_of(now: float) -> int:
    """Return the day of a time."""
    return int(now // DAY)


def hour_of(now: float) -> int:
    """Return the hour of a time, counted since 1970."""
    return int(now // HOUR)


def room(limits: Limits, pace: Pace, now: float) -> int | None:
    """Return how many may start now; null where nothing limits them."""
    rooms = []
    if limits.rate is not None:
        begin = _begin(pace, now)
        rooms.append(
            floor((now - begin) * limits.rate.count / limits.rate.per) + 1 if begin <= now else 0
        )
    if limits.max_runs_per_day is not None:
        today = pace.starts if pace.day == day_of(now) else 0
        rooms.append(max(0, limits.max_runs_per_day - today))
    return min(rooms, default=None)


def spend(limits: Limits, pace: Pace, starts: int, now: float) -> Pace:
    """Return the pace after so many have started."""
    day = day_of(now)
    every = limits.rate.per / limits.rate.count if limits.rate is not None else 0.0
    return Pace(
        next_at=_begin(pace, now) + starts * every,
        day=day,
        starts=starts + (pace.starts if pace.day == day else 0),
    )


def _begin(pace: Pace, now: float) -> float:
    """When the next start was due: what is a little late is made up for, what was not used is
    not.
    """
    return now if now - pace.next_at > CATCH_UP else pace.next_at
