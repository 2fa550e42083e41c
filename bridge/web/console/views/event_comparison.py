"""`/events/<id>/compare`: the differences of two events, in their bodies and headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bridge.api import selection
from bridge.api.parameters import MAX_NAME_CHARS, filter_parameters
from bridge.api.resources import events
from bridge.core.json_values import Difference, find_differences
from bridge.core.model import Event
from bridge.core.retention import is_content_deleted
from bridge.services.usable_config import body_reader
from bridge.web.console.config_texts import write_as_json
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.payload_tree import write_path

MAX_SHOWN: Final = 200  # differences of the bodies, and of the headers
MAX_VALUE_CHARS: Final = 1000
WORDS: Final = {
    "add": ("added", "ok"),
    "remove": ("removed", "bad"),
    "replace": ("changed", "busy"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPath:
    """A path whose value differs, as `match` writes it. `word` and `kind`: added, for example."""

    path: str
    word: str
    kind: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPart:
    """A part of the events with what differs in it. `problem`: why it cannot be compared."""

    title: str
    changes: Sequence[ChangedPath] = ()
    is_whole: bool = True
    problem: str | None = None


def compare_events(console_request: ConsoleRequest) -> Screen:
    """Return the differences of an event and another one, the previous of its type by default."""
    event = selection.find_event(console_request.context, console_request.ask()).event
    text = console_request.read_id("with") or _find_previous(console_request, event)
    values: dict[str, Any] = {
        "event": event,
        "has_contents": True,
        "path": f"/events/{event.id}",
        "tab": "compare",
        "before": None,
        "after": None,
        "parts": (),
        "given": text or "",
    }
    if text is not None:
        other = selection.find_event(
            console_request.context, replace(console_request.ask(), ids={"id": text})
        ).event
        before, after = sorted(
            (other, event),
            key=lambda compared_event: (compared_event.received_at, compared_event.id),
        )
        values |= {
            "before": before,
            "after": after,
            "given": other.id,
            "parts": [
                _compare_bodies(console_request, before, after),
                *_compare_heads(before, after),
            ],
        }
    return Screen(
        template="event_comparison.html",
        title=f"{event.source} {event.type or ''}".strip(),
        values=values,
    )


def _find_previous(console_request: ConsoleRequest, event: Event) -> str | None:
    """Return the id of the event before one, of the same source and type; None for none."""
    filters = {"source": [event.source], "before": [event.id], "limit": ["1"]}
    if event.type and "\0" not in event.type and len(event.type) <= MAX_NAME_CHARS:
        filters["type"] = [event.type]
    reply = console_request.read(events.list_events, filter_parameters(of_events=True), filters)
    return next((row["id"] for row in reply["items"]), None)


def _compare_bodies(console_request: ConsoleRequest, before: Event, after: Event) -> ChangedPart:
    read = body_reader(console_request.context.config().sources)
    for event in (before, after):
        if is_content_deleted(event):
            return ChangedPart(title="Body", problem=f"The body of {event.id} is deleted.")
    bodies = read(before), read(after)
    problem = next((body.problem for body in bodies if body.problem is not None), None)
    if problem is not None:
        return ChangedPart(title="Body", problem=problem)
    return _compare("Body", "body", *(body.value for body in bodies))


def _compare_heads(before: Event, after: Event) -> list[ChangedPart]:
    heads = [{"type": event.type, "query": event.query_string} for event in (before, after)]
    return [
        _compare("Headers", "headers", dict(before.headers), dict(after.headers)),
        _compare("Type and query", "event", *heads),
    ]


def _compare(title: str, root: str, before: Any, after: Any) -> ChangedPart:
    differences = find_differences(before, after, "", MAX_SHOWN + 1)
    return ChangedPart(
        title=title,
        changes=[_describe(root, difference) for difference in differences[:MAX_SHOWN]],
        is_whole=len(differences) <= MAX_SHOWN,
    )


def _describe(root: str, difference: Difference) -> ChangedPath:
    word, kind = WORDS[difference.op]
    return ChangedPath(
        path=write_path(root, difference.path),
        word=word,
        kind=kind,
        before=None
        if difference.op == "add"
        else write_as_json(difference.before, MAX_VALUE_CHARS),
        after=None
        if difference.op == "remove"
        else write_as_json(difference.after, MAX_VALUE_CHARS),
    )
