"""Events, with their bodies and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bridge.api.context import BYTES, Answer, ApiContext, ApiRequest, RawAnswer
from bridge.api.endpoint import Endpoint, ListAnswer, OpenedList, ReadingTool
from bridge.api.explain import explain_event
from bridge.api.parameters import (
    EXPLAINED_ROUTE,
    EXPLAINED_ROUTES,
    PLACE,
    SCREEN,
    filter_parameters,
)
from bridge.api.problems import ApiProblem
from bridge.api.selection import find_event, read_filters
from bridge.core.audit import AuditAction
from bridge.core.json_values import write_json
from bridge.core.model import JSON, Delivery, Event
from bridge.core.scopes import Scope
from bridge.services import audit, lists
from bridge.services.records.event_records import EVENT

if TYPE_CHECKING:
    from bridge.services.events.event_details import EventDetails
    from bridge.store.queries.event_lookup import EventHistory

ListedEvent = tuple[Event, Sequence[Delivery]]


@ListAnswer
def list_events(context: ApiContext, request: ApiRequest) -> OpenedList[ListedEvent]:
    """List events with their deliveries, newest first."""

    def describe(items: Sequence[ListedEvent]) -> list[JSON]:
        return [
            EVENT.write(event, deliveries=deliveries, with_contents=request.with_contents)
            for event, deliveries in items
        ]

    filters = read_filters(context, request).without_own
    context.note_search(filters, of_deliveries=False)
    return OpenedList(
        name="events", items=lists.list_events(context.database, filters), describe=describe
    )


def show_event(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one event with everything that is stored of it, as `show --json`."""
    with_screen = bool(request.values["screen"])
    details = read_details(context, find_event(context, request), with_reasons=with_screen)
    shape = details.as_json(with_contents=request.with_contents)
    if with_screen:
        from bridge.services.events.event_screen import describe_screen

        shape["screen"] = describe_screen(details, with_contents=request.with_contents)
    return shape


def read_details(
    context: ApiContext, history: EventHistory, *, with_reasons: bool = False
) -> EventDetails:
    """Return everything that is stored of an event."""
    from bridge.services.events.event_details import read_event_details

    return read_event_details(
        context.database, context.settings, history, with_reasons=with_reasons
    )


def show_event_body(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the raw body of an event, or a value of it, and record that it is downloaded."""
    from bridge.api.body_values import read_value

    event = find_event(context, request).event
    pointer = request.values.get(PLACE.name)
    if pointer is None:
        answer = RawAnswer(event.body, f"{event.id}.bin")
    else:
        value = read_value(event, context.load_sources(), pointer)
        answer = RawAnswer(write_json(value), f"{event.id}.json", "application/json")
    audit.record(context.database, AuditAction.DOWNLOADED, request.by, f"body of {event.id}")
    return answer


def show_event_file(context: ApiContext, request: ApiRequest) -> Answer:
    """Return a file of an event, whose bytes are on this machine, and record the download."""
    from bridge.store.blobs import BlobStore

    event = find_event(context, request).event
    sha256 = request.ids["sha256"]
    if sha256 not in {file.sha256 for file in event.files}:
        raise ApiProblem("not_found", f"{event.id} has no file with that SHA-256")
    try:
        content = BlobStore.of(context.settings).read(sha256)
    except OSError:
        raise ApiProblem("not_found", "its bytes are not in this data folder") from None
    subject = f"file {sha256} of {event.id}"
    audit.record(context.database, AuditAction.DOWNLOADED, request.by, subject)
    return RawAnswer(content, f"{sha256}.bin")


ENDPOINTS: Final = (
    Endpoint(
        path="/events",
        summary=(
            "Events with their deliveries, newest first. Without `source`, `route` and `type`,"
            " flowbridge's own alerts are left out."
        ),
        answer=list_events,
        tool=ReadingTool(
            "Events",
            advice=(
                "An event is one verified request of a sender. `status=none` lists those that no"
                " route matched."
            ),
            rest="show_event returns one event with more of each text.",
        ),
        schema="EventList",
        parameters=filter_parameters(of_events=True),
        has_contents=True,
        streams=True,
    ),
    Endpoint(
        path="/events/{id}",
        summary="One event with its deliveries, attempts and operations.",
        answer=show_event,
        tool=ReadingTool(
            "One event",
            advice="With the scope `bodies` also its headers and its body.",
            rest=(
                "read_event_body returns the whole body in parts. show_delivery returns one"
                " delivery with more of each text."
            ),
        ),
        schema="EventDetails",
        parameters=(SCREEN,),
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/body",
        summary="The raw body of an event; with `at`, the value at a place of it, as JSON.",
        answer=show_event_body,
        schema=None,
        media_types=(BYTES, "application/json"),
        scope=Scope.BODIES,
        parameters=(PLACE,),
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/files/{sha256}",
        summary="A file of an event, which came with a form, by its SHA-256.",
        answer=show_event_file,
        schema=None,
        scope=Scope.BODIES,
        has_contents=True,
    ),
    Endpoint(
        path="/events/{id}/explain",
        summary="What each route does with an event, clause by clause, as `explain --json`.",
        answer=explain_event,
        tool=ReadingTool(
            "Why a route matched, or not",
            advice="It has the value found, near misses, and the inputs that would be sent.",
            rest="The argument `route` limits the answer to one route.",
        ),
        schema="Explanation",
        scope=Scope.BODIES,
        parameters=(EXPLAINED_ROUTE, EXPLAINED_ROUTES, SCREEN),
        has_contents=True,
    ),
)
