"""The trends of the last day for pages: by hour, and summed by a label."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from bridge.web.admin import resources
from bridge.web.admin.parameters import STEP, TREND, TREND_LABELS, TREND_SINCE
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.hour_chart import HourChart, draw_hours

_PARAMETERS: Final = (TREND, TREND_SINCE, STEP, *TREND_LABELS)


def read_day(asked: ConsoleRequest, trend: str, what: str, **labels: str) -> HourChart:
    """Return a trend of the last day as a chart; `labels` are the values that series must have."""
    return draw_hours(_read_points(asked, trend, labels), what)


def sum_day(asked: ConsoleRequest, trend: str, label: str, **labels: str) -> list[tuple[str, int]]:
    """Return the sums of a trend of the last day by a label, the highest first."""
    sums: Counter[str] = Counter()
    for point in _read_points(asked, trend, labels):
        for one in point["series"]:
            sums[one["labels"][label]] += round(one["value"])
    return [(word, count) for word, count in sums.most_common() if count]


def _read_points(asked: ConsoleRequest, trend: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    given = {"name": trend, "since": "1d", "step": "1h", **labels}
    found = asked.read(
        resources.list_trend, _PARAMETERS, {name: [text] for name, text in given.items()}
    )
    return [*found["items"]]
