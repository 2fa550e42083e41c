"""When a run is looked at: few times, soon after it ended, and sooner where somebody waits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import (
    Polling,
    UsualDuration,
    delay_after_failures,
    early_poll_seconds,
    next_poll_delay,
    update_usual_duration,
)

GUMLOOP = PLATFORMS["gumloop"].polling or Polling(0, 0, 0)
LOCAL = PLATFORMS["local"].polling or Polling(0, 0, 0)


def looks(
    polling: Polling, seconds: float, usual: UsualDuration | None, *, eager: bool
) -> list[float]:
    """The times of all looks at a run that takes so long; the last one sees that it has ended."""
    times = [next_poll_delay(polling, 0.0, usual, eager=eager)]
    while times[-1] < seconds:
        times.append(times[-1] + next_poll_delay(polling, times[-1], usual, eager=eager))
    return times


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("seconds", [0.4, 2.0, 30.0, 60.0, 120.0, 600.0, 3000.0])
def test_steady_runs_take_four_looks_at_most_and_are_seen_soon(seconds: float, eager: bool) -> None:
    times = looks(GUMLOOP, seconds, UsualDuration(seconds), eager=eager)
    assert len(times) <= 4
    assert times[-1] <= seconds * (1.06 if eager else 1.11) + GUMLOOP.least


def test_a_run_of_ten_minutes_that_nobody_waits_for_takes_some_25_looks() -> None:
    times = looks(GUMLOOP, 600.0, None, eager=False)
    assert times[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(times) <= 26
    assert times[-1] <= 630.0


@given(st.floats(0.01, 4000), st.booleans())
def test_a_run_of_an_unknown_flow_is_seen_to_end_within_its_own_time(
    seconds: float, eager: bool
) -> None:
    """At most so late as it has taken, half of that where somebody waits; never later than 30
    seconds.
    """
    late = looks(GUMLOOP, seconds, None, eager=eager)[-1] - seconds
    assert late <= max(0.5, min(30.0, seconds * (0.5 if eager else 1.0))) + 1e-6


@given(st.floats(0.01, 4000), st.floats(0.01, 4000), st.floats(0, 1000), st.booleans())
def test_looks_end_and_are_bounded_however_wrong_what_was_learned_is(
    seconds: float, mean: float, spread: float, eager: bool
) -> None:
    times = looks(GUMLOOP, seconds, UsualDuration(mean, spread), eager=eager)
    assert all(later - earlier >= GUMLOOP.least - 1e-9 for earlier, later in pairwise(times))
    assert times[-1] - seconds <= max(30.0, mean / 2)
    assert len(times) <= 12 + max(0.0, seconds - mean) / 30 + 10 * (
        1 + spread / mean
    ) + 2 * seconds / max(0.5, mean)


def test_a_run_that_fails_early_of_a_flow_that_takes_minutes_is_seen_halfway() -> None:
    assert looks(GUMLOOP, 3.0, UsualDuration(600.0), eager=False) == [300.0]


def test_runs_that_differ_are_looked_at_earlier() -> None:
    usual = None
    for seconds in (10.0, 30.0, 12.0, 28.0, 10.0, 30.0):
        usual = update_usual_duration(usual, seconds)
    assert usual is not None
    assert 10 < usual.mean < 30
    assert next_poll_delay(GUMLOOP, 0.0, usual, eager=True) < 0.85 * usual.mean - 4


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=50))
def test_what_is_learned_lies_between_what_was_seen(seen: list[float]) -> None:
    usual = None
    for seconds in seen:
        usual = update_usual_duration(usual, seconds)
    assert usual is not None
    assert min(seen) - 1e-6 <= usual.mean <= max(seen) + 1e-6
    assert 0 <= usual.spread <= max(seen) - min(seen) + 1e-6


def test_a_change_of_what_runs_take_is_learned() -> None:
    usual = UsualDuration(60.0)
    for _ in range(12):
        usual = update_usual_duration(usual, 2.0)
    assert usual.mean < 4


def test_a_run_may_be_looked_at_with_others_a_step_early_and_that_counts() -> None:
    usual = UsualDuration(10.0)
    at = 8.5 - early_poll_seconds(GUMLOOP, usual)
    assert early_poll_seconds(GUMLOOP, usual) == 1.0
    assert at + next_poll_delay(GUMLOOP, at, usual, eager=True) == pytest.approx(8.5)
    assert early_poll_seconds(GUMLOOP, None) == 0.25


def test_looks_that_fail_grow_apart() -> None:
    waits = [delay_after_failures(GUMLOOP, 0.05, failures) for failures in range(9)]
    assert waits == [0.05, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert delay_after_failures(GUMLOOP, 40.0, 1) == 40.0


def test_the_platforms_own_runs_cost_little_to_look_at() -> None:
    assert len(looks(LOCAL, 0.3, None, eager=False)) <= 6
    assert looks(LOCAL, 60.0, None, eager=False)[-1] <= 62.0
