"""By when a source has spoken again: of sources that are regular, pause at night and at weekends,
come in bursts, are new.
"""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.silence import (
    HISTORY_SECONDS,
    MIN_EVENTS,
    MIN_GAP_SECONDS,
    MIN_HISTORY_SECONDS,
    MIN_SILENCE_SECONDS,
    expected_by,
)

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
MONDAY = 1_789_948_800.0  # 00:00 UTC
DAYS = 30
Times = list[float]


def regular(
    every: float, jitter: float, when: Callable[[float], bool] = lambda _: True, seed: int = 1
) -> Times:
    rng = random.Random(seed)
    times = (
        MONDAY + number * every + rng.uniform(0, jitter)
        for number in range(int(DAYS * DAY / every))
    )
    return sorted(filter(when, times))


def by_chance(
    per_hour: float, when: Callable[[float], bool] = lambda _: True, seed: int = 1
) -> Times:
    rng = random.Random(seed)
    at = MONDAY
    times = []
    while at < MONDAY + DAYS * DAY:
        at += rng.expovariate(per_hour / HOUR)
        times.append(at)
    return list(filter(when, times))


def bursts(per_day: float, seed: int = 1) -> Times:
    rng = random.Random(seed)
    return sorted(
        at + rng.uniform(0, 15 * MINUTE)
        for at in by_chance(per_day / 24, seed=seed)
        for _ in range(rng.randint(5, 50))
    )


def is_workday(at: float) -> bool:
    return (at - MONDAY) // DAY % 7 < 5


def is_office(at: float) -> bool:
    return is_workday(at) and 8 * HOUR <= at % DAY < 17 * HOUR


def known(times: Sequence[float], until: float) -> Times:
    """Those that are looked at of the times until then."""
    return list(times[bisect_left(times, until - HISTORY_SECONDS) : bisect_right(times, until)])


def due(times: Sequence[float], cut: float) -> tuple[float, float]:
    """The last time before `cut`, seconds since that Monday, and by when it has spoken again."""
    last = times[bisect_right(times, MONDAY + cut) - 1]
    by = expected_by(known(times, last))
    assert by is not None
    return last, by


@pytest.mark.parametrize(
    ("times", "cut", "least", "most"),
    [
        pytest.param(
            regular(5 * MINUTE, 30),
            20.4 * DAY,
            MIN_SILENCE_SECONDS,
            4.5 * 5 * MINUTE,
            id="every five minutes",
        ),
        pytest.param(regular(HOUR, 5 * MINUTE), 20.4 * DAY, 2 * HOUR, 2.5 * HOUR, id="every hour"),
        pytest.param(regular(DAY, 30 * MINUTE), 20.4 * DAY, 2 * DAY, 3.1 * DAY, id="once a day"),
        pytest.param(
            by_chance(40), 20.4 * DAY, MIN_SILENCE_SECONDS, HOUR, id="forty an hour, by chance"
        ),
        pytest.param(
            regular(5 * MINUTE, 30, is_office),
            22.5 * DAY,
            MIN_SILENCE_SECONDS,
            30 * MINUTE,
            id="office hours, on a Tuesday at noon",
        ),
        pytest.param(
            regular(5 * MINUTE, 30, is_office),
            22.9 * DAY,
            15 * HOUR,
            15.5 * HOUR,
            id="office hours, from a Tuesday's evening",
        ),
        pytest.param(
            regular(5 * MINUTE, 30, is_office),
            26 * DAY,
            63 * HOUR,
            63.5 * HOUR,
            id="office hours, from a Friday's evening",
        ),
        pytest.param(
            regular(DAY, 30 * MINUTE, is_workday),
            26.5 * DAY,
            72 * HOUR,
            9 * DAY,
            id="once a workday, from a Friday",
        ),
        pytest.param(bursts(20), 20.4 * DAY, 4 * HOUR, 36 * HOUR, id="twenty bursts a day"),
    ],
)
def test_by_when_it_has_spoken_again(times: Times, cut: float, least: float, most: float) -> None:
    last, by = due(times, cut)
    assert least - 10 * MINUTE <= by - last <= most


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: regular(5 * MINUTE, 30, is_office, seed),
        lambda seed: regular(DAY, HOUR, seed=seed),
        lambda seed: by_chance(0.5, seed=seed),
        lambda seed: by_chance(4, seed=seed),
        lambda seed: by_chance(5, is_office, seed),
        lambda seed: by_chance(8, lambda at: at % DAY < DAY / 2 or int(at * 1000) % 10 == 0, seed),
        lambda seed: bursts(6, seed),
    ],
    ids=[
        "office hours",
        "once a day",
        "by chance",
        "often",
        "by chance in office hours",
        "few at night",
        "bursts",
    ],
)
def test_false_alarms_are_rare(make: Callable[[int], Times]) -> None:
    """Of 32 days after the first fourteen at most one has an alarm."""
    alarms = 0
    for seed in range(2):
        times = make(seed)
        for last, later in itertools.pairwise(times):
            if last > MONDAY + 14 * DAY and later - last > MIN_SILENCE_SECONDS:
                by = expected_by(known(times, last))
                alarms += by is not None and later > by
    assert alarms <= 1


@pytest.mark.parametrize(
    "times",
    [
        [],
        regular(HOUR, 0)[: int(MIN_HISTORY_SECONDS / HOUR)],
        regular(HOUR, 0)[:: 24 * 3][: MIN_EVENTS - 1],
    ],
    ids=["no event", "a new source", "few events"],
)
def test_of_too_little_nothing_is_learned(times: Times) -> None:
    assert expected_by(times) is None


@given(st.lists(st.floats(0, HISTORY_SECONDS), min_size=MIN_EVENTS, max_size=60))
def test_it_is_after_the_longest_gap_of_all_or_in_hours_that_are_awake(
    offsets: list[float],
) -> None:
    times = sorted(MONDAY + each for each in offsets)
    by = expected_by(times)
    if by is not None:
        longest = max(MIN_GAP_SECONDS, *(later - one for one, later in itertools.pairwise(times)))
        assert (
            times[-1] + MIN_SILENCE_SECONDS
            <= by
            <= times[-1] + max(MIN_SILENCE_SECONDS, 3 * longest)
        )
