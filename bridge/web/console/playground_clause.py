"""The clause that the playground begins with: of a value of an event, in a draft of a route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.api import selection
from bridge.core.model import JSON
from bridge.core.retention import is_content_deleted
from bridge.services.usable_config import body_reader
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.draft_route import draft_route
from bridge.web.console.picked_value import pick_value
from bridge.web.console.playground_form import PlaygroundForm
from bridge.web.console.playground_text import StartText


@dataclass(frozen=True, slots=True, kw_only=True)
class EventClause:
    """A clause for a value of an event of a source and type; `text`: as a line of YAML."""

    source: str
    type: str | None
    clause: Mapping[str, JSON]
    text: str


def find_clause(console_request: ConsoleRequest, form: PlaygroundForm) -> EventClause | None:
    """Return the clause that the URL asks for: the kind that it names, or the likeliest.

    Null where it asks for none. Raises `ApiProblem` and `PageRefused` where there is no value.
    """
    if not form.event:
        return None
    event = selection.find_event(
        console_request.context, replace(console_request.ask(), ids={"id": form.event})
    ).event
    read = body_reader(console_request.context.config().sources)
    body = None if is_content_deleted(event) else read(event)
    picked = pick_value(event, body, console_request.http.args)
    if picked is None or not picked.clauses:
        return None
    word = console_request.http.args.get("clause")
    picked_clause = next(
        (clause for clause in picked.clauses if clause.word == word), picked.clauses[0]
    )
    return EventClause(
        source=event.source, type=event.type, clause=picked_clause.clause, text=picked_clause.text
    )


def add_clause(start: StartText, clause: EventClause) -> StartText:
    """Return a text to begin with that has a draft of a route with the clause, if it can."""
    if not start.is_whole:
        return start
    drafted = draft_route(start.text, clause.source, clause.type, clause.clause)
    if drafted is None:
        return start
    is_file = start.is_file and not drafted.is_rewritten
    return replace(start, text=drafted.text, draft=drafted.name, is_file=is_file)
