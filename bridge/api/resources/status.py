"""The status of the bridge, and the conditions that need attention."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.services.lists import write_list
from bridge.services.overview.status_report import StatusReport, read_status


def show_status(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the status, as `status --json`."""
    return read_report(context, request).as_json()


def list_conditions(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the conditions that need attention, each with the next step."""
    return write_list(read_report(context, request).problems_as_json())


def read_report(context: ApiContext, request: ApiRequest) -> StatusReport:
    """Return the status, without contents that the request may not see."""
    now = context.read_overview(with_contents=request.with_contents)
    return read_status(context.settings, context.store, now)


ENDPOINTS: Final = (
    Endpoint(
        path="/status",
        summary="Processes, queue, failures and problems, as `flowbridge status --json`.",
        answer=show_status,
        tool=ReadingTool(
            "Status of the bridge",
            advice="Begin here: it says whether the bridge works and what is stuck.",
        ),
        schema="Status",
    ),
    Endpoint(
        path="/conditions",
        summary="The conditions that need attention, each with the next step.",
        answer=list_conditions,
        tool=ReadingTool("What needs attention"),
        schema="ConditionList",
    ),
)
