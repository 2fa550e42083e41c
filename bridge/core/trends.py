"""Trends: numbers per minute that the store keeps for charts, and the arithmetic on them. Pure.

A trend has a number for each series of label values in each minute. After a day the minutes are
merged into steps of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from bridge.core.units import DAY

MINUTE_SECONDS: Final = 60
MERGED_SECONDS: Final = 600  # the step after `MINUTES_SECONDS`
MINUTES_SECONDS: Final = DAY  # for which each minute is stored
RETENTION_SECONDS: Final = 14 * DAY
MAX_SERIES: Final = 500  # of a trend in a minute; the rest is added to `OTHER`
OTHER: Final = "other"

Series = Mapping[tuple[str, ...], float]  # by label values


class TrendKind(StrEnum):
    """Kinds of trends."""

    COUNT = "count"  #: how often something happened in a minute
    HIGHEST = "highest"  #: the highest value in a minute
    #: how many durations of a minute were in each range; the label is its upper end in seconds
    DURATIONS = "durations"


@dataclass(frozen=True, slots=True)
class Trend:
    """One trend: its name, its kind, what it is, and the names of its labels."""

    name: str
    kind: TrendKind
    help: str
    labels: tuple[str, ...] = ()


TRENDS: Final[Mapping[str, Trend]] = {
    trend.name: trend
    for trend in (
        Trend("events", TrendKind.COUNT, "events received, by outcome", ("source", "outcome")),
        Trend(
            "refused",
            TrendKind.COUNT,
            "requests answered with an error, by status",
            ("source", "status"),
        ),
        Trend(
            "rejects",
            TrendKind.COUNT,
            "requests that failed verification, by reason",
            ("source", "reason"),
        ),
        Trend("ack", TrendKind.DURATIONS, "time until events were stored", ("seconds",)),
        Trend(
            "attempts",
            TrendKind.COUNT,
            "calls that start a flow, by outcome",
            ("platform", "outcome"),
        ),
        Trend(
            "runs",
            TrendKind.COUNT,
            "ended runs, by state; a delivery that is retried may have several",
            ("route", "state"),
        ),
        Trend("deaths", TrendKind.COUNT, "deliveries given up after a call", ("route",)),
        Trend("queued", TrendKind.HIGHEST, "deliveries that wait", ("route", "platform")),
        Trend(
            "oldest",
            TrendKind.HIGHEST,
            "age of the oldest waiting delivery in seconds",
            ("route", "platform"),
        ),
        Trend("blocked", TrendKind.HIGHEST, "deliveries behind an earlier one", ("route",)),
        Trend("unknown", TrendKind.HIGHEST, "deliveries whose outcome is unknown"),
        Trend("in_flight", TrendKind.HIGHEST, "calls and runs in flight", ("platform",)),
    )
}


def step_of(at: float, seconds: int = MINUTE_SECONDS) -> int:
    """Return the beginning of the step that a time is in."""
    return int(at // seconds) * seconds


def combine(kind: TrendKind, some: Iterable[Series]) -> dict[tuple[str, ...], float]:
    """Return the series of several minutes or machines together."""
    join: Callable[[float, float], float] = max if kind is TrendKind.HIGHEST else _add
    combined: dict[tuple[str, ...], float] = {}
    for series in some:
        for labels, value in series.items():
            combined[labels] = join(combined[labels], value) if labels in combined else value
    return combined


def subtract(now: Series, before: Series) -> dict[tuple[str, ...], float]:
    """Return how much counters have grown, without those that have not.

    A counter that is lower than before has begun again at 0.
    """
    grown = {
        labels: value - before.get(labels, 0.0) if value >= before.get(labels, 0.0) else value
        for labels, value in now.items()
    }
    return {labels: value for labels, value in grown.items() if value}


def limit_series(kind: TrendKind, series: Series) -> Series:
    """Return at most `MAX_SERIES` series: the highest, and the rest together as `OTHER`."""
    if len(series) <= MAX_SERIES:
        return series
    ordered = sorted(series.items(), key=lambda entry: (-entry[1], entry[0]))
    first = dict(ordered[: MAX_SERIES - 1])
    rest = [{(OTHER,) * len(labels): value} for labels, value in ordered[MAX_SERIES - 1 :]]
    return combine(kind, [first, *rest])


def write_series(series: Series) -> str:
    """Return series as JSON: a list of label values and the number for each."""
    return orjson.dumps(
        [[*labels, round(value, 3)] for labels, value in sorted(series.items())]
    ).decode()


def read_series(text: str) -> dict[tuple[str, ...], float]:
    """Return the series that `write_series` wrote."""
    return {tuple(labels): value for *labels, value in orjson.loads(text)}


def find_quantile(durations: Series, share: float) -> float | None:
    """Return the duration that this share of all is below, in seconds; None if there are none.

    It is interpolated within its range. Of the longest, which have no upper end, it is the lower
    end.
    """
    ranges = sorted((float(seconds), count) for (seconds,), count in durations.items())
    target = share * sum(count for _, count in ranges)
    below = 0.0
    low = 0.0
    for high, count in ranges:
        if count and below + count >= target:
            return low if high == float("inf") else low + (high - low) * (target - below) / count
        below += count
        low = high
    return None


def _add(first: float, other: float) -> float:
    return first + other
