"""Read trends as points: the numbers of a step of time, in total and by label values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core import trends
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.trends import TRENDS, Series, Trend, TrendKind
from bridge.core.units import write_time
from bridge.services.records.report_records import TREND_POINT

if TYPE_CHECKING:
    from bridge.store.db.database import Database

MAX_POINTS: Final = 1500
#: The default step, by how long ago the points begin: the first that is long enough.
STEP_SECONDS: Final = ((3 * 3600.0, 60), (trends.MINUTES_SECONDS, 600), (float("inf"), 3600))


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The numbers of one step, which begins `at`.

    `value` is the sum of the series of a count, of other trends the highest, and of durations how
    many there were. `p50` and `p99`: of durations, the time in seconds that half and 99 % were
    within; null if there were none. `series` is empty for durations.
    """

    at: int
    value: float
    p50: float | None
    p99: float | None
    series: Series


@dataclass(frozen=True, slots=True)
class TrendPoints:
    """The points of a trend, oldest first, without gaps. `step`: seconds from one to the next.

    `first_at`: of a new bridge, when it stores its first numbers; None once it counts, and while no
    worker runs.
    """

    trend: Trend
    step: int
    points: Sequence[TrendPoint]
    first_at: float | None = None

    @property
    def has_numbers(self) -> bool:
        """Whether any point has a value other than 0."""
        return any(point.value for point in self.points)

    def list_points(self) -> list[dict[str, JSON]]:
        """Return each point for programs."""
        return [
            TREND_POINT.write(
                point,
                name=self.trend.name,
                step=self.step,
                series=[
                    (dict(zip(self.trend.labels, labels, strict=False)), value)
                    for labels, value in rank_series(point.series)
                ],
            )
            for point in self.points
        ]


def read_trends(
    database: Database | None,
    name: str,
    since: float,
    now: float,
    step: int | None = None,
    only: Mapping[str, str] | None = None,
) -> TrendPoints:
    """Return the points of a trend from `since` to the last full minute before `now`.

    `step`: seconds, a multiple of a minute; the default depends on how long ago `since` is. What is
    older than a day has steps of ten minutes at least. `only`: the values of labels that series
    must have. Raises `InvalidRequest` for an unknown trend or label, and for too many points.
    """
    trend = find_trend(name)
    labels = only or {}
    if missing := [label for label in labels if label not in trend.labels]:
        raise InvalidRequest(
            f"the trend {name} has no {missing[0]}; it has {', '.join(trend.labels) or 'no labels'}"
        )
    wide = _find_step(since, now, step)
    begin = trends.step_of(max(since, now - trends.RETENTION_SECONDS), wide)
    until = trends.step_of(now)
    count = max(0, -((begin - until) // wide))
    if count > MAX_POINTS:
        raise InvalidRequest(f"that is {count:,} points; at most {MAX_POINTS:,} are allowed")
    series_by_step: dict[int, list[Series]] = defaultdict(list)
    first_at = None
    if database is not None:
        from bridge.store.queries.trends import has_first_numbers_ahead, read_rows

        for at, series in read_rows(database, name, begin, until):
            series_by_step[trends.step_of(at, wide)].append(_select(series, trend, labels))
        if not series_by_step and has_first_numbers_ahead(
            database, until - trends.MINUTE_SECONDS, now
        ):
            first_at = until + trends.MINUTE_SECONDS
    return TrendPoints(
        trend,
        wide,
        [
            _point(trend.kind, begin + n * wide, series_by_step[begin + n * wide])
            for n in range(count)
        ],
        first_at,
    )


def find_trend(name: str) -> Trend:
    """Return a trend by its name; `InvalidRequest` names the nearest."""
    from bridge.core.typos import suggest

    if name not in TRENDS:
        raise InvalidRequest(
            f"there is no trend {name!r}; {suggest(name, TRENDS)}there are: {', '.join(TRENDS)}"
        )
    return TRENDS[name]


def describe_none(first_at: float | None, sentence: str) -> str:
    """Return why a trend has no numbers: nothing is counted yet, or what `sentence` says."""
    if first_at is None:
        return sentence
    return f"Counted once a minute; the first numbers come at {write_time(first_at, '%H:%M')} UTC"


def rank_series(series: Series) -> list[tuple[tuple[str, ...], float]]:
    """Return the series with their values, the highest first."""
    return sorted(series.items(), key=lambda pair: (-pair[1], pair[0]))


def _find_step(since: float, now: float, step: int | None) -> int:
    """Return the step in seconds: minutes are stored for a day only."""
    span = now - since
    least = trends.MINUTE_SECONDS if span <= trends.MINUTES_SECONDS else trends.MERGED_SECONDS
    if step is None:
        return next(seconds for max_span, seconds in STEP_SECONDS if span <= max_span)
    if step < trends.MINUTE_SECONDS or step % trends.MINUTE_SECONDS:
        raise InvalidRequest("the step must be a whole number of minutes")
    return max(least, step - step % least)


def _select(series: Series, trend: Trend, only: Mapping[str, str]) -> Series:
    places = [(trend.labels.index(label), value) for label, value in only.items()]
    return {
        labels: value
        for labels, value in series.items()
        if all(labels[place : place + 1] == (expected,) for place, expected in places)
    }


def _point(kind: TrendKind, at: int, some: list[Series]) -> TrendPoint:
    series = trends.combine(kind, some)
    if kind is TrendKind.DURATIONS:
        p50, p99 = (trends.find_quantile(series, share) for share in (0.5, 0.99))
        return TrendPoint(at, float(sum(series.values())), p50, p99, {})
    total = sum(series.values()) if kind is TrendKind.COUNT else max(series.values(), default=0.0)
    return TrendPoint(at, float(total), None, None, series)
