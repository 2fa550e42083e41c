"""The points of trends for pages, and the trends of the last day: by hour, or summed by a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from bridge.api.parameters import TREND_PARAMETERS
from bridge.api.resources import trends
from bridge.services.trends import TrendPoints, describe_none
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.hour_chart import HourChart, draw_hours
from bridge.web.console.trend_charts import sum_by_label


def read_day(
    console_request: ConsoleRequest, trend: str, noun: str, many: str, **labels: str
) -> HourChart:
    """Return a trend of the last day as a chart of `noun` or `many` things.

    `labels` are the values that series must have.
    """
    trend_points = _read_day(console_request, trend, labels)
    chart = draw_hours(trend_points.list_points(), noun, many)
    if chart.total:
        return chart
    return replace(chart, sentence=describe_none(trend_points.first_at, chart.sentence))


def sum_day(
    console_request: ConsoleRequest, trend: str, label: str, **labels: str
) -> list[tuple[str, int]]:
    """Return the sums of a trend of the last day by a label, the highest first."""
    sums: Counter[str] = Counter()
    for point in _read_day(console_request, trend, labels).list_points():
        sums.update(sum_by_label(point, label))
    return [(word, round(count)) for word, count in sums.most_common() if count]


def read_points(
    console_request: ConsoleRequest, trend: str, since: str, step: str, labels: Mapping[str, str]
) -> TrendPoints:
    """Return the points of a trend; `labels` are values that series must have."""
    query = {"name": trend, "since": since, "step": step, **labels}
    texts = {name: [text] for name, text in query.items()}
    return trends.read_trend(console_request.context, console_request.ask(TREND_PARAMETERS, texts))


def _read_day(
    console_request: ConsoleRequest, trend: str, labels: Mapping[str, str]
) -> TrendPoints:
    return read_points(console_request, trend, "1d", "1h", labels)
