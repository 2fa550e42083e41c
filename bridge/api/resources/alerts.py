"""Alerts that are raised or pending."""

from __future__ import annotations

from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint
from bridge.api.parameters import SCREEN
from bridge.services.lists import write_list
from bridge.services.overview import alert_list


def list_alerts(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the alerts that are raised or pending, as `alerts --json`."""
    items, screen = alert_list.list_alerts(
        context.store, context.overview.get, with_contents=request.with_contents
    )
    alerts = write_list(items)
    return {**alerts, "screen": screen} if request.values["screen"] else alerts


ENDPOINTS: Final = (
    Endpoint(
        path="/alerts",
        summary="The alerts that are raised or pending, as `flowbridge alerts --json`.",
        answer=list_alerts,
        schema="AlertList",
        parameters=(SCREEN,),
    ),
)
