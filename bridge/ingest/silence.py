"""When the next event of a source is expected, from the times of earlier events. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from bridge.core.units import DAY, HOUR

HISTORY_SECONDS: Final = 14 * DAY  # before the last event
MIN_HISTORY_SECONDS: Final = 7 * DAY  # a week has a weekend
MIN_GAP_SECONDS: Final = 600.0  # shorter gaps count as this
MIN_SILENCE_SECONDS: Final = 1200.0  # a shorter time without an event is no silence
# with fewer events nothing is expected; with many the longest gap is reliable
MIN_EVENTS = 10
MANY_EVENTS = 50
# this many times the longest gap is a silence
MANY_EVENTS_GAP_FACTOR = 2.0
FEW_EVENTS_GAP_FACTOR = 3.0
# an hour of the day is active if it had events on this share of the days, and on this many
ACTIVE_HOUR_SHARE = 0.8
MIN_ACTIVE_DAYS = 4


def expected_by(moments: Sequence[float]) -> float | None:
    """Return the time by which the next event after `moments` is expected, or None if unknown.

    `moments`: Unix times of events in order, up to `HISTORY_SECONDS` before the last; events closer
    than `MIN_GAP_SECONDS` may be left out. The longest gap is measured by two clocks: the wall
    clock, and one that runs only in active hours, so not at night or at weekends. By both, the next
    event is expected within twice the longest gap, or three times if there are few events. The
    earlier time counts.
    """
    if len(moments) < MIN_EVENTS or moments[-1] - moments[0] < MIN_HISTORY_SECONDS:
        return None
    last = moments[-1]
    times = MANY_EVENTS_GAP_FACTOR if len(moments) >= MANY_EVENTS else FEW_EVENTS_GAP_FACTOR
    by_wall = last + max(
        MIN_SILENCE_SECONDS,
        times * max(MIN_GAP_SECONDS, *(later - earlier for earlier, later in pairwise(moments))),
    )
    awake = _active_hours(moments)
    if not awake:
        return by_wall
    begin = int(moments[0] // HOUR)
    end = int(by_wall // HOUR) + 1
    ticks = list(accumulate((_hour_kind(hour) in awake for hour in range(begin, end)), initial=0))

    def clock(at: float) -> float:
        """Return the seconds of active hours until a time."""
        hour, rest = divmod(at - begin * HOUR, HOUR)
        return ticks[int(hour)] * HOUR + rest * (ticks[int(hour) + 1] - ticks[int(hour)])

    told = [clock(moment) for moment in moments]
    due = told[-1] + max(
        MIN_SILENCE_SECONDS,
        times * max(MIN_GAP_SECONDS, *(later - earlier for earlier, later in pairwise(told))),
    )
    if clock(by_wall) <= due:
        return by_wall
    hour = bisect_right(ticks, due / HOUR) - 1
    return (begin + hour) * HOUR + due - ticks[hour] * HOUR


def _active_hours(moments: Sequence[float]) -> set[tuple[bool, int]]:
    """Return the active hours, as pairs of (weekend, hour of the day) in UTC."""
    first = int(moments[0] // HOUR) + 1
    last = int(moments[-1] // HOUR)
    heard = Counter(
        _hour_kind(hour)
        for hour in {int(moment // HOUR) for moment in moments}
        if first <= hour < last
    )
    days = Counter(map(_hour_kind, range(first, last)))
    return {
        kind
        for kind, count in heard.items()
        if days[kind] >= MIN_ACTIVE_DAYS and count >= ACTIVE_HOUR_SHARE * days[kind]
    }


def _hour_kind(hour: int) -> tuple[bool, int]:
    """Return (weekend, hour of the day) of an hour since 1970."""
    day, of_day = divmod(hour, 24)
    return (day + 3) % 7 >= 5, of_day
