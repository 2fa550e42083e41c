"""Charts of trends as SVG with attributes only: bars of counts, lines of other values. Pure.

A chart has a class for each series and no colour of its own: `pages.css` has the colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.text import choose_noun
from bridge.core.units import iso, parse_iso
from bridge.web.console.chart_sentences import describe_counts

CHART_HEIGHT: Final = 96
STEP_WIDTH: Final = 12
BAR_WIDTH: Final = 10
MIN_BAR_HEIGHT: Final = 1.5  # of a step with any
MAX_SERIES: Final = 5  # with a colour each; the rest is together in the last
OTHER: Final = "other"
P50: Final = "half within"
P99: Final = "99 % within"

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartStep:
    """One step of a chart: the `values` of its series, in words, and the list of its records."""

    at: str
    texts: Sequence[str]
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBar:
    """A bar, or a part of one; `number`: of its series."""

    number: int
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """A line; `points`: those of an SVG polyline. A series that pauses has several lines."""

    number: int
    points: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChart:
    """A chart.

    `sentence`: its description in words. `legend`: each series with its total or highest.
    """

    sentence: str
    highest: str
    legend: Sequence[tuple[str, str]]
    steps: Sequence[ChartStep]
    bars: Sequence[ChartBar] = ()
    lines: Sequence[ChartLine] = ()
    is_empty: bool = False
    height: int = CHART_HEIGHT
    bar_width: int = BAR_WIDTH

    @property
    def width(self) -> int:
        """The width of the drawing, which a page stretches."""
        return max(len(self.steps) * STEP_WIDTH, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartWords:
    """How a chart is written: `what` it counts, its values in words, and the list of a step.

    `one`: `what` in the singular, for counts. `link` takes the beginning and the end of a step as
    ISO 8601.
    """

    what: str
    span: str
    write: Callable[[float], str]
    one: str = ""
    link: Callable[[str, str], str | None] = lambda _since, _until: None

    def name(self, count: float) -> str:
        """Return the noun for a count."""
        return choose_noun(count, self.one or self.what, self.what)


def draw_counts(points: Sequence[Mapping[str, Any]], label: str, words: ChartWords) -> TrendChart:
    """Return stacked bars of a trend of counts, one colour for each value of a label."""
    rows = [sum_by_label(point, label) for point in points]
    sums: Counter[str] = Counter()
    for row in rows:
        sums.update(row)
    names = _choose_names(sums)
    rows = [_join_others(row, names) for row in rows]
    highest = max((sum(row.values()) for row in rows), default=0.0)
    bars = []
    for index, row in enumerate(rows):
        top = float(CHART_HEIGHT)
        for number, name in enumerate(names):
            if row.get(name):
                height = max(row[name] / highest * CHART_HEIGHT, MIN_BAR_HEIGHT)
                top = max(top - height, 0.0)
                x = index * STEP_WIDTH
                bars.append(ChartBar(number=number, x=x, y=_round(top), height=_round(height)))
    total = sum(sums.values())
    seconds = sum(point["step"] for point in points)
    joined = _join_others(sums, names)
    return TrendChart(
        sentence=(
            f"{words.write(total)} {words.name(total)} in {words.span}"
            + describe_counts(total, highest, step=points[0]["step"], seconds=seconds)
            if total
            else f"No {words.what} in {words.span}"
        ),
        highest=words.write(highest),
        legend=[(name, words.write(joined.get(name, 0.0))) for name in names],
        steps=_make_steps(points, rows, names, words),
        bars=bars,
        is_empty=not total,
    )


def draw_values(points: Sequence[Mapping[str, Any]], label: str, words: ChartWords) -> TrendChart:
    """Return lines of a trend of highest values, one for each value of a label."""
    rows = [_find_highest(point, label) for point in points]
    peaks: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            peaks[name] = max(peaks.get(name, 0.0), value)
    names = [name for name, value in Counter(peaks).most_common(MAX_SERIES) if value]
    return _draw_lines(points, rows, names, peaks, words)


def draw_durations(points: Sequence[Mapping[str, Any]], words: ChartWords) -> TrendChart:
    """Return the lines of the time that half, and that 99 %, of all durations were within."""
    rows = [
        {name: point[key] for name, key in ((P50, "p50"), (P99, "p99")) if point[key] is not None}
        for point in points
    ]
    peaks = {name: max((row.get(name, 0.0) for row in rows), default=0.0) for name in (P50, P99)}
    names = [P50, P99] if any(rows) else []
    return _draw_lines(points, rows, names, peaks, words)


def sum_by_label(point: Mapping[str, Any], label: str) -> dict[str, float]:
    """Return the sums of the series of a point by the values of a label."""
    sums: Counter[str] = Counter()
    for series in point["series"]:
        sums[str(series["labels"].get(label, OTHER))] += series["value"]
    return dict(sums)


def _find_highest(point: Mapping[str, Any], label: str) -> dict[str, float]:
    highest: dict[str, float] = {}
    for series in point["series"]:
        name = str(series["labels"].get(label, OTHER))
        highest[name] = max(highest.get(name, 0.0), series["value"])
    return highest


def _draw_lines(
    points: Sequence[Mapping[str, Any]],
    rows: Sequence[Values],
    names: Sequence[str],
    peaks: Values,
    words: ChartWords,
) -> TrendChart:
    highest = max((peaks[name] for name in names), default=0.0)
    lines = [
        ChartLine(number=number, points=part)
        for number, name in enumerate(names)
        for part in _list_parts([row.get(name) for row in rows], highest)
    ]
    peak = f"at most {words.write(highest)}" if names else "none"
    return TrendChart(
        sentence=f"{words.what[:1].upper()}{words.what[1:]} in {words.span}: {peak}",
        highest=words.write(highest),
        legend=[(name, f"at most {words.write(peaks[name])}") for name in names],
        steps=_make_steps(points, rows, names, words),
        lines=lines,
        is_empty=not names,
    )


def _list_parts(values: Sequence[float | None], highest: float) -> list[str]:
    """Return the points of each part of a line: it pauses where there is no value."""
    parts: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            parts.append([])
            continue
        y = CHART_HEIGHT - (value / highest * CHART_HEIGHT if highest else 0.0)
        left = index * STEP_WIDTH  # a step is a flat piece, so that a lone one is seen
        parts[-1] += [f"{left},{_round(y)}", f"{left + STEP_WIDTH},{_round(y)}"]
    return [" ".join(part) for part in parts if part]


def _make_steps(
    points: Sequence[Mapping[str, Any]],
    rows: Sequence[Values],
    names: Sequence[str],
    words: ChartWords,
) -> list[ChartStep]:
    return [
        ChartStep(
            at=point["at"],
            texts=[words.write(row[name]) if name in row else "–" for name in names],
            url=words.link(point["at"], _end_of(point)) if row else None,
        )
        for point, row in zip(points, rows, strict=True)
    ]


def _end_of(point: Mapping[str, Any]) -> str:
    return str(iso(parse_iso(point["at"]) + point["step"]))


def _choose_names(sums: Mapping[str, float]) -> list[str]:
    """Return the series with a colour each: the highest, and `OTHER` for the rest."""
    ranked = [name for name, value in Counter(sums).most_common() if value]
    if len(ranked) <= MAX_SERIES:
        return ranked
    top_names = [name for name in ranked if name != OTHER][: MAX_SERIES - 1]
    return [*top_names, OTHER]


def _join_others(row: Values, names: Sequence[str]) -> dict[str, float]:
    joined: dict[str, float] = {}
    for name, value in row.items():
        place = name if name in names else OTHER
        if value:
            joined[place] = joined.get(place, 0.0) + value
    return joined


def _round(value: float) -> float:
    return round(value, 1)
