"""Rate limits of a route: `rate`, spread evenly, and `max_runs_per_day`. Pure.

A rate of 30/min is one start every two seconds, with at most a tenth of a second of catch-up:
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Final

from bridge.core.units import DAY, HOUR

RATE_CATCH_UP_SECONDS: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` requests in `per` seconds."""

    count: int
    per: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a route: concurrent runs, starts per time, starts per day (UTC). Null: no limit."""

    max_concurrent_runs: int | None = None
    rate: Rate | None = None
    max_runs_per_day: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """Recent starts of a route: the next is due at `next_at`; `starts` were made on `day`.

    `start_interval`: seconds between two starts, 0 without a rate. `day` is in days since 1970; one
    that a wrong clock has stored ahead counts as today.
    """

    next_at: float = 0.0
    start_interval: float = 0.0
    day: int = 0
    starts: int = 0


def day_of(now: float) -> int:
    """Return the day of a time, in days since 1970."""
    return int(now // DAY)


def hour_of(now: float) -> int:
    """Return the hour of a time, in hours since 1970."""
    return int(now // HOUR)


def allowed_starts(limits: Limits, pace: RateState, now: float) -> int | None:
    """Return how many starts are allowed now; None without a limit."""
    rooms = []
    if limits.rate is not None:
        begin = _begin(pace, now)
        rooms.append(
            floor((now - begin) * limits.rate.count / limits.rate.per) + 1 if begin <= now else 0
        )
    if limits.max_runs_per_day is not None:
        today = pace.starts if pace.day >= day_of(now) else 0
        rooms.append(max(0, limits.max_runs_per_day - today))
    return min(rooms, default=None)


def record_starts(limits: Limits, pace: RateState, starts: int, now: float) -> RateState:
    """Return the state after `starts` starts."""
    day = max(day_of(now), pace.day)
    interval = limits.rate.per / limits.rate.count if limits.rate is not None else 0.0
    return RateState(
        next_at=_begin(pace, now) + starts * interval,
        start_interval=interval,
        day=day,
        starts=starts + (pace.starts if pace.day == day else 0),
    )


def _begin(pace: RateState, now: float) -> float:
    """Return when the next start was due: a short delay is made up for, unused starts are not."""
    return now if now - pace.next_at > RATE_CATCH_UP_SECONDS else pace.next_at
