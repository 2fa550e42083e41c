"""What changed: new events, and deliveries whose state changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint
from bridge.api.parameters import AFTER, IN_FLIGHT, WAIT, filter_parameters
from bridge.api.selection import read_filters, wrong_cursor
from bridge.core.model import JSON, Delivery, Event
from bridge.services.change_tail import decode_tail_cursor, read_tail, start_tail
from bridge.services.lists import WrongCursor, write_list
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import CHANGE, EVENT
from bridge.store.inbound import events
from bridge.store.queries.events import LISTED_DELIVERIES

TAIL_POLL_SECONDS: Final = 0.2
TAIL_FILTERS: Final = tuple(
    parameter
    for parameter in filter_parameters(of_events=False)
    if parameter.name not in ("until", "body", "where", "limit", "before")
)


def list_changes(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the changes after a cursor; without one, only the cursor to begin with."""
    filters = read_filters(context, request)
    after = request.values["after"]
    if after is None:
        in_flight = bool(request.values["in_flight"])
        first = start_tail(context.database, filters, in_flight=in_flight)
        return write_list((), next_=first.encode(), is_complete=False)
    try:
        cursor = decode_tail_cursor(after)
    except WrongCursor as error:
        raise wrong_cursor("after", error) from None
    with context.wait_in_place() as may_wait:
        until = time.monotonic() + (request.values["wait"] if may_wait else 0.0)
        while True:
            changes, following = read_tail(context.database, cursor, filters)
            if changes or time.monotonic() >= until:
                break
            time.sleep(TAIL_POLL_SECONDS)
    ids = [change.id for change in changes if isinstance(change, Event)]
    planned = events.deliveries_of(context.database, ids, LISTED_DELIVERIES)
    items = (
        _describe(change, planned.get(change.id, ()), with_contents=request.with_contents)
        for change in changes
    )
    return write_list(items, next_=following.encode(), is_complete=False)


def _describe(
    change: Event | Delivery, planned: Sequence[Delivery], *, with_contents: bool
) -> dict[str, JSON]:
    """Return a change. `planned`: the deliveries of an event."""
    if isinstance(change, Event):
        event = EVENT.write(change, deliveries=planned, with_contents=with_contents)
        return CHANGE.write(change, kind="event", at=change.received_at, event=event, delivery=None)
    delivery = DELIVERY.write(change, with_contents=with_contents)
    return CHANGE.write(change, kind="delivery", at=time.time(), event=None, delivery=delivery)


ENDPOINTS: Final = (
    Endpoint(
        path="/tail",
        summary="New events, and deliveries whose state changed, after a cursor.",
        answer=list_changes,
        schema="ChangeList",
        parameters=(*TAIL_FILTERS, IN_FLIGHT, AFTER, WAIT),
        has_contents=True,
        waits=True,
    ),
)
