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


def read_form(given: Mapping[str, str]) -> PlaygroundForm:
    """Return the fields of a form or of a URL; a field that is not known is left out."""

    def read(name: str, most: int = MAX_FIELD_CHARS) -> str:
        return given.get(name, "").strip()[:most].replace("\0", "")

    against = read("against")
    return PlaygroundForm(
        event=read("event"),
        route=read("route"),
        against=against if against in AGAINST else "now",
        expression=read("expression", MAX_EXPRESSION_CHARS),
        filters={name: text for name in (*FILTERS, *OTHER_FILTERS) if (text := read(name))},
    )


def add_source(asked: ConsoleRequest, form: PlaygroundForm) -> PlaygroundForm:
    """Return a form that a link opens: without filters, with the source of its event or route.

    Only a link means that source. A form that is sent says by its fields which events to try.
    """
    if form.filters:
        return form
    named = _find_named(asked, form.event)
    source = named["source"] if named else _find_source(asked.context, form.route)
    return replace(form, filters={"source": source}) if source else form


def find_events(asked: ConsoleRequest, form: PlaygroundForm) -> OfferedEvents:
    """Return the newest events that match the filters, with the one that is named if it does."""
    named = _find_named(asked, form.event)
    filters = {**form.filters, "limit": str(MAX_DETAILED_EVENTS)}
    given = {name: [text] for name, text in filters.items()}
    try:
        found = asked.read(list_events, PARAMETERS, given)["items"]
    except ApiProblem as error:
        if error.type.word != "invalid_parameter":
            raise
        return OfferedEvents(errors=describe_errors(error))
    if named is not None and all(one["id"] != named["id"] for one in found):
        wanted = selection.read_filters(asked.context, asked.ask(PARAMETERS, given))
        if events.matches(asked.context.database, wanted, named["id"]):
            found = [named, *found[: MAX_DETAILED_EVENTS - 1]]
        else:
            named = None
    first = found[0]["id"] if found else ""
    return OfferedEvents(items=found, chosen=named["id"] if named else first)


def list_fields(asked: ConsoleRequest, form: PlaygroundForm) -> Sequence[FilterField]:
    """Return the fields of the filters, for the page."""
    known = {one.name: one for one in PARAMETERS}
    return [
        make_field(known[name], form.filters.get(name, ""), asked)
        for name in (*FILTERS, *OTHER_FILTERS)
        if name in FILTERS or name in form.filters
    ]


def _find_named(asked: ConsoleRequest, text: str) -> Mapping[str, Any] | None:
    """Return the event with an id. Raises `ApiProblem` where there is none."""
    if not text:
        return None
    event = selection.find_event(asked.context, replace(asked.ask(), ids={"id": text})).event
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "received_at": event.received_at,
    }


def _find_source(context: ApiContext, route: str) -> str | None:
    return next((one.source for one in context.config().routes if one.name == route), None)
