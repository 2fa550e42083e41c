"""Numbers over time."""

from __future__ import annotations

import time
from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import LABELS, TREND_PARAMETERS
from bridge.api.selection import check_known_names
from bridge.services.records.report_records import TREND_PAGE
from bridge.services.trends import TrendPoints, read_trends


def show_trend(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the points of a trend, oldest first, as `trends --json`."""
    trend = read_trend(context, request)
    if not trend.has_numbers:
        check_known_names(context, request)
    return TREND_PAGE.write(trend)


def read_trend(context: ApiContext, request: ApiRequest) -> TrendPoints:
    """Return the points of a trend; none has numbers if the source or route is unknown."""
    values = request.values
    only = {name: values[name] for name in LABELS if values[name] is not None}
    return read_trends(
        context.store, values["name"], values["since"], time.time(), values["step"], only
    )


ENDPOINTS: Final = (
    Endpoint(
        path="/trends",
        summary="Numbers over time of one trend, oldest first.",
        answer=show_trend,
        tool=ReadingTool("Numbers over time", advice="For a day, pass `since` 1d and `step` 1h."),
        schema="TrendPointList",
        parameters=TREND_PARAMETERS,
    ),
)
