"""The form of the playground: its fields, and the stored events that it offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bridge.api import selection
from bridge.api.context import ApiContext
from bridge.api.parameters import filter_parameters
from bridge.api.problems import ApiProblem
from bridge.api.resources.events import list_events
from bridge.services.trials.messages import MAX_DETAILED_EVENTS
from bridge.store.queries import events
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.lists import FilterField, describe_errors, make_field

#: The filters of the events, and more of `events` that a link may have.
FILTERS: Final = ("source", "type", "since")
OTHER_FILTERS: Final = ("status", "until", "where", "body")
AGAINST: Final = {"now": "the configuration in use", "then": "the one that planned each event"}
PARAMETERS: Final = filter_parameters(of_events=True)
MAX_FIELD_CHARS: Final = 500
MAX_EXPRESSION_CHARS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundForm:
    """The fields as they were given, but for the text.

    `event`: the id of the one that is explained. `route`: the one to show of it, empty for all.
    """

    event: str = ""
    route: str = ""
    against: str = "now"
    expression: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedEvents:
    """The events of the page, newest first; `chosen` is explained. `errors`: of the filters."""

    items: Sequence[Mapping[str, Any]] = ()
    chosen: str = ""
    errors: Sequence[str] = ()


def read_form(fields: Mapping[str, str]) -> PlaygroundForm:
    """Return the fields of a form or of a URL; a field that is not known is left out."""

    def read(name: str, max_chars: int = MAX_FIELD_CHARS) -> str:
        return fields.get(name, "").strip()[:max_chars].replace("\0", "")

    against = read("against")
    return PlaygroundForm(
        event=read("event"),
        route=read("route"),
        against=against if against in AGAINST else "now",
        expression=read("expression", MAX_EXPRESSION_CHARS),
        filters={name: text for name in (*FILTERS, *OTHER_FILTERS) if (text := read(name))},
    )


def add_source(console_request: ConsoleRequest, form: PlaygroundForm) -> PlaygroundForm:
    """Return a form that a link opens: without filters, with the source of its event or route.

    Only a link means that source. A form that is sent says by its fields which events to try.
    """
    if form.filters:
        return form
    named = _find_named(console_request, form.event)
    source = named["source"] if named else _find_source(console_request.context, form.route)
    return replace(form, filters={"source": source}) if source else form


def find_events(console_request: ConsoleRequest, form: PlaygroundForm) -> OfferedEvents:
    """Return the newest events that match the filters, with the one that is named if it does."""
    named = _find_named(console_request, form.event)
    filters = {**form.filters, "limit": str(MAX_DETAILED_EVENTS)}
    query = {name: [text] for name, text in filters.items()}
    try:
        rows = console_request.read(list_events, PARAMETERS, query)["items"]
    except ApiProblem as error:
        if error.type.word != "invalid_parameter":
            raise
        return OfferedEvents(errors=describe_errors(error))
    if named is not None and all(row["id"] != named["id"] for row in rows):
        event_filters = selection.read_filters(
            console_request.context, console_request.ask(PARAMETERS, query)
        )
        if events.matches(console_request.context.database, event_filters, named["id"]):
            rows = [named, *rows[: MAX_DETAILED_EVENTS - 1]]
        else:
            named = None
    first = rows[0]["id"] if rows else ""
    return OfferedEvents(items=rows, chosen=named["id"] if named else first)


def list_fields(console_request: ConsoleRequest, form: PlaygroundForm) -> Sequence[FilterField]:
    """Return the fields of the filters, for the page."""
    parameters = {parameter.name: parameter for parameter in PARAMETERS}
    return [
        make_field(parameters[name], form.filters.get(name, ""), console_request)
        for name in (*FILTERS, *OTHER_FILTERS)
        if name in FILTERS or name in form.filters
    ]


def _find_named(console_request: ConsoleRequest, text: str) -> Mapping[str, Any] | None:
    """Return the event with an id. Raises `ApiProblem` where there is none."""
    if not text:
        return None
    event = selection.find_event(
        console_request.context, replace(console_request.ask(), ids={"id": text})
    ).event
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "received_at": event.received_at,
    }


def _find_source(context: ApiContext, route: str) -> str | None:
    return next(
        (candidate.source for candidate in context.config().routes if candidate.name == route), None
    )
