"""A bar chart of the hours of a day, drawn as SVG with attributes only. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.text import choose_noun
from bridge.core.units import DAY, iso
from bridge.web.console.chart_sentences import describe_counts

HOUR_SECONDS: Final = 3600
BAR_WIDTH: Final = 10
BAR_STEP: Final = 12  # from one bar to the next
CHART_HEIGHT: Final = 48
MIN_BAR_HEIGHT: Final = 2.0  # of an hour with any


@dataclass(frozen=True, slots=True, kw_only=True)
class HourBar:
    """The bar of one hour, which begins `at`."""

    at: str
    value: float
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HourChart:
    """The bars of a trend. `sentence`: its description in words."""

    bars: Sequence[HourBar]
    total: float
    sentence: str
    width: int
    height: int = CHART_HEIGHT
    bar_width: int = BAR_WIDTH


def count_hours(times: Iterable[float], now: float) -> list[dict[str, Any]]:
    """Return points for `draw_hours`: how many of the times are in each hour of the last day."""
    first = int((now - DAY) // HOUR_SECONDS) + 1
    counts = Counter(int(at // HOUR_SECONDS) for at in times)
    hours = range(first, int(now // HOUR_SECONDS) + 1)
    return [{"at": iso(float(hour * HOUR_SECONDS)), "value": counts[hour]} for hour in hours]


def draw_hours(points: Sequence[Mapping[str, Any]], noun: str, many: str = "") -> HourChart:
    """Return the chart of a trend's points in the JSON of the admin API.

    `noun` and `many`: what it counts, as for `pluralize`.
    """
    values = [float(point["value"]) for point in points]
    highest = max(values, default=0.0)
    bars = []
    for index, (point, value) in enumerate(zip(points, values, strict=True)):
        scaled = value / highest * CHART_HEIGHT if highest else 0.0
        height = round(max(scaled, MIN_BAR_HEIGHT) if value else 0.0, 1)
        bars.append(
            HourBar(
                at=point["at"],
                value=value,
                x=index * BAR_STEP,
                y=round(CHART_HEIGHT - height, 1),
                height=height,
            )
        )
    total = sum(values)
    rest = describe_counts(total, highest, step=HOUR_SECONDS)
    return HourChart(
        bars=bars,
        total=total,
        sentence=(
            f"{total:,.0f} {choose_noun(total, noun, many)} in 24 hours{rest}"
            if total
            else f"No {choose_noun(0, noun, many)} in 24 hours"
        ),
        width=max(len(bars) * BAR_STEP, 1),
    )
