"""Limits of a route count the starts that were made before."""

from __future__ import annotations

import pytest

from bridge.core.rate_limits import (
    NO_LIMITS,
    RATE_CATCH_UP_SECONDS,
    Limits,
    Rate,
    RateState,
    allowed_starts,
    record_starts,
)
from bridge.core.units import DAY

TODAY = 20_000
NOON = (TODAY + 0.5) * DAY
DAILY = Limits(max_runs_per_day=5)
PACED = Limits(rate=Rate(count=30, per=60.0))  # one in two seconds


@pytest.mark.parametrize(
    ("day", "allowed", "after"),
    [
        (TODAY - 1, 5, RateState(next_at=NOON, day=TODAY, starts=2)),
        (TODAY, 2, RateState(next_at=NOON, day=TODAY, starts=5)),
        (TODAY + 1, 2, RateState(next_at=NOON, day=TODAY + 1, starts=5)),  # a clock was ahead
    ],
)
def test_the_starts_of_today_count(day: int, allowed: int, after: RateState) -> None:
    before = RateState(day=day, starts=3)
    assert allowed_starts(DAILY, before, NOON) == allowed
    assert record_starts(DAILY, before, 2, NOON) == after
    assert allowed_starts(DAILY, after, NOON) == 5 - after.starts


def test_a_rate_spreads_starts_evenly() -> None:
    assert allowed_starts(PACED, RateState(), NOON) == 1
    state = record_starts(PACED, RateState(), 1, NOON)
    assert (state.next_at, state.start_interval) == (NOON + 2.0, 2.0)
    assert [allowed_starts(PACED, state, NOON + after) for after in (1.9, 2.0, 60.0)] == [0, 1, 1]


def test_a_short_delay_is_made_up_for_and_a_long_one_is_not() -> None:
    due = RateState(next_at=NOON, start_interval=2.0)
    short = record_starts(PACED, due, 1, NOON + RATE_CATCH_UP_SECONDS / 2)
    long = record_starts(PACED, due, 1, NOON + RATE_CATCH_UP_SECONDS * 2)
    assert short.next_at == NOON + 2.0
    assert long.next_at == NOON + RATE_CATCH_UP_SECONDS * 2 + 2.0


def test_the_smallest_limit_counts_and_none_is_no_limit() -> None:
    both = Limits(rate=PACED.rate, max_runs_per_day=5)
    assert allowed_starts(both, RateState(day=TODAY, starts=5), NOON) == 0
    assert allowed_starts(both, RateState(day=TODAY, starts=1), NOON) == 1
    assert allowed_starts(NO_LIMITS, RateState(day=TODAY, starts=10**6), NOON) is None
