"""The value of an event that a person picked, by its place, with its paths and clauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.json_values import follow_pointer, parse_pointer
from bridge.core.masking import MASK
from bridge.core.model import JSON, Body, Event
from bridge.routing.expressions.paths import Steps, write_path
from bridge.routing.matching.suggestions import suggest_clauses, write_dotted
from bridge.services.project.config_text import write_yaml_line
from bridge.web.console.failures import refuse
from bridge.web.console.links import make_link

#: The query parameters that name a place: a JSON pointer in the body, and the name of a header.
BODY_PLACE: Final = "use"
HEADER_PLACE: Final = "header"
MAX_PLACE_CHARS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedClause:
    """A clause of `match` for the value, as a line of YAML. `url`: the playground with it."""

    word: str
    label: str
    clause: Mapping[str, JSON]
    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedValue:
    """A value of an event. `dotted`: its path as `match` writes it, null where it cannot.

    `expression`: its path in `inputs`.
    """

    dotted: str | None
    expression: str
    clauses: Sequence[PickedClause]


def pick_value(event: Event, body: Body | None, query: Mapping[str, str]) -> PickedValue | None:
    """Return the value at the place that query parameters name; null where they name none.

    `body`: null where it is deleted. Raises `PageRefused` where a route sees no value there.
    """
    name = BODY_PLACE if BODY_PLACE in query else HEADER_PLACE
    if name not in query:
        return None
    place = query[name][:MAX_PLACE_CHARS]
    try:
        path, value = _find_place(event, body, name, place)
    except (LookupError, ValueError):
        raise refuse(404, f"{event.id} has no value at {place[:200]!r}.") from None
    clauses = [
        PickedClause(
            word=suggestion.word,
            label=suggestion.label,
            clause=suggestion.clause,
            text=write_yaml_line(suggestion.clause),
            url=make_link(
                "/playground", {"event": event.id, name: place, "clause": suggestion.word}
            ),
        )
        for suggestion in suggest_clauses(path, value)
    ]
    return PickedValue(
        dotted=write_dotted(path), expression=f"${{{write_path(path)}}}", clauses=clauses
    )


def _find_place(event: Event, body: Body | None, name: str, place: str) -> tuple[Steps, JSON]:
    if name == HEADER_PLACE:
        value = event.headers[place]
        if value == MASK:  # routes see no masked header
            raise LookupError(place)
        return ("headers", place), value
    if body is None:
        raise LookupError(place)
    steps, body_value = follow_pointer(body.value, parse_pointer(place))
    return ("body", *steps), body_value
