"""Deliveries, and the evidence of an unknown start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList, ReadingTool
from bridge.api.parameters import SCREEN, filter_parameters
from bridge.api.problems import ApiProblem
from bridge.api.resources.events import read_details
from bridge.api.selection import find_event, missing_record, read_filters
from bridge.core.model import JSON, Delivery
from bridge.services import lists
from bridge.services.events.delivery_rows import DeliveryScreens
from bridge.services.records.delivery_records import DELIVERY


@ListAnswer
def list_deliveries(context: ApiContext, request: ApiRequest) -> OpenedList[Delivery]:
    """List deliveries, newest first."""

    def describe(deliveries: Sequence[Delivery]) -> list[JSON]:
        return [
            DELIVERY.write(delivery, with_contents=request.with_contents) for delivery in deliveries
        ]

    def add_screens(deliveries: Sequence[Delivery]) -> dict[str, JSON]:
        if not request.values["screen"]:
            return {}
        screens = DeliveryScreens(context.database)
        return {"screen": {delivery.id: screens.describe(delivery) for delivery in deliveries}}

    filters = read_filters(context, request)
    context.note_search(filters, of_deliveries=True)
    return OpenedList(
        name="deliveries",
        items=lists.list_deliveries(context.database, filters),
        describe=describe,
        add_keys=add_screens,
    )


def show_delivery(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one delivery, as it is in its event."""
    history = find_event(context, request)
    if history.delivery_id is None:
        raise missing_record(request)
    shape = read_details(context, history).as_json(with_contents=request.with_contents)
    deliveries = shape["deliveries"]
    for delivery in deliveries if isinstance(deliveries, list) else ():
        if isinstance(delivery, dict) and delivery["id"] == history.delivery_id:
            return delivery
    raise missing_record(request)


def show_evidence(context: ApiContext, request: ApiRequest) -> Answer:
    """Return a delivery with the evidence of its start, as `resolve --json`."""
    from bridge.services.unknown.unknown_deliveries import read_unknown  # lists are read without it

    history = find_event(context, request)
    if history.delivery_id is None:
        raise ApiProblem("not_found", "that is the id of an event, not of a delivery")
    unknown = read_unknown(context.database, history.delivery_id, context.config())
    return unknown.as_json(with_contents=request.with_contents)


ENDPOINTS: Final = (
    Endpoint(
        path="/deliveries",
        summary="Deliveries, newest first.",
        answer=list_deliveries,
        tool=ReadingTool(
            "Deliveries",
            advice=(
                "A delivery is one event bound for one flow by one route. `status=dead` lists those"
                " that failed for good, `status=unknown` those whose start is uncertain."
            ),
            rest="show_delivery returns one delivery with more of each text.",
        ),
        schema="DeliveryList",
        parameters=(*filter_parameters(of_events=False), SCREEN),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        path="/deliveries/{id}",
        summary="One delivery with its attempts.",
        answer=show_delivery,
        tool=ReadingTool("One delivery"),
        schema="DeliveryDetails",
        has_contents=True,
    ),
    Endpoint(
        path="/deliveries/{id}/evidence",
        summary="A delivery with the evidence of its start, as `flowbridge resolve --json`.",
        answer=show_evidence,
        tool=ReadingTool(
            "Evidence of an unknown start", advice="Read it before you propose `resolve`."
        ),
        schema="Evidence",
        has_contents=True,
    ),
)
