"""By when a source that usually speaks has spoken again, by the times at which it did. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

HOUR = 3600.0
DAY = 86400.0
HISTORY: Final = 14 * DAY  # seconds that are looked back from the last event
LEAST_HISTORY: Final = 7 * DAY  # a week has a weekend
STEP: Final = 600.0  # seconds; shorter gaps are not measured
LEAST: Final = 1200.0  # seconds without an event that are no silence
# moments below which nothing is learned, and from which on the longest gap is well known
FEW = 10
MANY = 50
# so many times the longest gap is a silence
TIMES_MANY = 2.0
TIMES_FEW = 3.0
# part of the days, and how many at least, on which something came in an hour in which it usually
# does
OFTEN = 0.8
LEAST_DAYS = 4


def speaks_by(moments: Sequence[float]) -> float | None:
    """Return by when it has usually spoken again after the last of `moments`; None where too little
    is known.

    `moments`: Unix times of its events, of `HISTORY` until the last, in their order; of those that
    come within `STEP` some are enough. Two clocks tell: that on the wall, and one that only runs in
    the hours in which something usually comes, which stands still at night and at weekends. By each
    it has usually spoken after twice the longest gap that it had, or three times where few are
    known.
    """
    if len(moments) < FEW or moments[-1] - moments[0] < LEAST_HISTORY:
        return None
    last = moments[-1]
    times = TIMES_MANY if len(moments) >= MANY else TIMES_FEW
    by_wall = last + max(
        LEAST, times * max(STEP, *(later - one for one, later in pairwise(moments)))
    )
    awake = _awake(moments)
    if not awake:
        return by_wall
    begin = int(moments[0] // HOUR)
    end = int(by_wall // HOUR) + 1
    ticks = list(accumulate((_of_day(hour) in awake for hour in range(begin, end)), initial=0))

    def clock(at: float) -> float:
        """Return the seconds that it has run until then."""
        hour, rest = divmod(at - begin * HOUR, HOUR)
        return ticks[int(hour)] * HOUR + rest * (ticks[int(hour) + 1] - ticks[int(hour)])

    told = [clock(each) for each in moments]
    due = told[-1] + max(LEAST, times * max(STEP, *(later - one for one, later in pairwise(told))))
    if clock(by_wall) <= due:
        return by_wall
    hour = bisect_right(ticks, due / HOUR) - 1
    return (begin + hour) * HOUR + due - ticks[hour] * HOUR


def _awake(moments: Sequence[float]) -> set[tuple[bool, int]]:
    """Return the hours in which something usually comes, each with whether it is one of a weekend
    (UTC).
    """
    first = int(moments[0] // HOUR) + 1
    last = int(moments[-1] // HOUR)
    heard = Counter(
        _of_day(hour) for hour in {int(each // HOUR) for each in moments} if first <= hour < last
    )
    days = Counter(map(_of_day, range(first, last)))
    return {
        each
        for each, count in heard.items()
        if days[each] >= LEAST_DAYS and count >= OFTEN * days[each]
    }


def _of_day(hour: int) -> tuple[bool, int]:
    """Return of an hour since 1970 whether it is of a weekend, and which of its day it is."""
    day, of_day = divmod(hour, 24)
    return (day + 3) % 7 >= 5, of_day
