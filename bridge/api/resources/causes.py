"""Dead deliveries by cause."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import filter_parameters
from bridge.api.selection import read_filters
from bridge.services.dead_causes import CauseReport, group_by_cause
from bridge.services.records.report_records import CAUSES

CAUSE_FILTERS: Final = tuple(
    parameter
    for parameter in filter_parameters(of_events=False)
    if parameter.name in ("source", "route", "type", "dead_kind", "since", "until")
)


def list_causes(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the causes of dead deliveries, the most frequent first."""
    filters = read_filters(context, request)
    store = context.store
    return CAUSES.write(CauseReport(()) if store is None else group_by_cause(store, filters))


ENDPOINTS: Final = (
    Endpoint(
        path="/causes",
        summary="Dead deliveries by cause, the most frequent first.",
        answer=list_causes,
        tool=ReadingTool(
            "Why deliveries died",
            advice="Begin here when deliveries are dead: a cause names many at once.",
        ),
        schema="CauseList",
        parameters=CAUSE_FILTERS,
    ),
)
