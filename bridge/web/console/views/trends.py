"""`/trends`: what arrived, how fast it was stored, what waited, and how calls and runs ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bridge.api.parameters import TREND_LABELS, Parameter
from bridge.api.selection import check_known_names
from bridge.core.trends import TRENDS, TrendKind
from bridge.services.trends import describe_none
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.day_trends import read_points
from bridge.web.console.environment import format_count, format_span
from bridge.web.console.links import make_link
from bridge.web.console.lists import add_chosen, list_names
from bridge.web.console.trend_charts import (
    ChartWords,
    TrendChart,
    draw_counts,
    draw_durations,
    draw_values,
)

FILTERS: Final = ("source", "route")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendWindow:
    """A window of time: how long it is, the step of its charts, and its name in a sentence."""

    since: str
    step: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """One chart of the page.

    `one`: `what` in the singular, for counts. `by`: the label with a colour for each value. `path`
    and `given`: the list of a step; without a path there is none.
    """

    trend: str
    title: str
    what: str
    one: str = ""
    by: str = ""
    path: str = ""
    given: Mapping[str, str] | None = None


WINDOWS: Final = {
    "1h": TrendWindow(since="1h", step="2m", text="an hour"),
    "24h": TrendWindow(since="1d", step="1h", text="24 hours"),
    "14d": TrendWindow(since="14d", step="12h", text="14 days"),
}
WINDOW: Final = Parameter(
    name="window", doc="The window of time.", allowed=tuple(WINDOWS), default="24h"
)
PARAMETERS: Final = (
    WINDOW,
    *(parameter for parameter in TREND_LABELS if parameter.name in FILTERS),
)
CHARTS: Final = (
    ChartRow(
        trend="events",
        title="Events received",
        what="events",
        one="event",
        by="outcome",
        path="/events",
    ),
    ChartRow(
        trend="refused", title="Requests refused", what="requests", one="request", by="status"
    ),
    ChartRow(trend="rejects", title="Rejects", what="rejects", one="reject", by="reason"),
    ChartRow(trend="ack", title="Time to acknowledge", what="time until an event was stored"),
    ChartRow(
        trend="queued",
        title="Queue depth",
        what="deliveries that waited, by route",
        by="route",
        path="/deliveries",
    ),
    ChartRow(
        trend="oldest",
        title="Age of the queue",
        what="age of the oldest waiting delivery, by route",
        by="route",
        path="/deliveries",
    ),
    ChartRow(
        trend="attempts",
        title="Attempts",
        what="attempts",
        one="attempt",
        by="outcome",
        path="/deliveries",
    ),
    ChartRow(
        trend="runs",
        title="Runs",
        what="ended runs",
        one="ended run",
        by="state",
        path="/deliveries",
    ),
    ChartRow(
        trend="deaths",
        title="Deliveries that died",
        what="deliveries",
        one="delivery",
        by="route",
        path="/deliveries",
        given={"status": "dead"},
    ),
)
SECONDS: Final = ("ack", "oldest")  # trends whose values are durations


def show_trends(console_request: ConsoleRequest) -> Screen:
    """Return the charts of a window, of all, or of one source or route."""
    request = console_request.ask(PARAMETERS)
    values = request.values
    word = values[WINDOW.name]
    labels = {name: values[name] for name in FILTERS if values[name] is not None}
    rows = [row for row in CHARTS if {*labels} <= {*TRENDS[row.trend].labels}]
    charts = [(row, _draw(console_request, row, WINDOWS[word], labels)) for row in rows]
    if charts and all(chart.is_empty for _, chart in charts):
        check_known_names(console_request.context, request)
    names = list_names(console_request.context.config())
    return Screen(
        template="trends.html",
        title="Trends",
        values={
            "charts": charts,
            "window": word,
            "windows": [
                (window, make_link("/trends", {**labels, "window": window})) for window in WINDOWS
            ],
            "chosen": labels,
            "options": {name: add_chosen(names[name], labels.get(name, "")) for name in FILTERS},
            "left_out": [row.title for row in CHARTS if row not in rows],
        },
    )


def _draw(
    console_request: ConsoleRequest, row: ChartRow, window: TrendWindow, labels: Mapping[str, str]
) -> TrendChart:
    trend_points = read_points(console_request, row.trend, window.since, window.step, labels)

    def link(since: str, until: str) -> str | None:
        if not row.path:
            return None
        return make_link(row.path, {**labels, **(row.given or {}), "since": since, "until": until})

    words = ChartWords(
        what=row.what,
        one=row.one,
        span=window.text,
        write=_write_seconds if row.trend in SECONDS else _write_count,
        link=link,
    )
    points = trend_points.list_points()
    kind = TRENDS[row.trend].kind
    if kind is TrendKind.DURATIONS:
        chart = draw_durations(points, words)
    else:
        draw = draw_counts if kind is TrendKind.COUNT else draw_values
        chart = draw(points, row.by, words)
    if chart.is_empty:
        return replace(chart, sentence=describe_none(trend_points.first_at, chart.sentence))
    return chart


def _write_count(value: float) -> str:
    return format_count(round(value))


def _write_seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else format_span(value)
