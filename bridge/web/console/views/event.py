"""`/events/<id>`: one event with its timeline, payload and deliveries, and why routes matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api import explain, selection
from bridge.api.context import RawAnswer
from bridge.api.parameters import EXPLAINED_ROUTE, EXPLAINED_ROUTES, SCREEN
from bridge.api.resources import events
from bridge.core.json_values import find_value
from bridge.core.masking import MASK
from bridge.core.model import Body, Event
from bridge.core.retention import is_content_deleted
from bridge.services.events.delivery_states import describe_status, is_over, needs_person
from bridge.services.events.event_screen import EventScreen, ShownDelivery, parse_screen
from bridge.services.events.event_steps import find_unmatched_step
from bridge.services.usable_config import body_reader
from bridge.web.console.advice import AdvicePart, split_advice
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.failures import refuse
from bridge.web.console.file_answers import make_download
from bridge.web.console.links import make_link
from bridge.web.console.payload_search import MAX_SEARCH_CHARS, search_payload
from bridge.web.console.payload_tree import (
    TreePart,
    build_small_tree,
    build_tree,
    write_path,
)
from bridge.web.console.picked_value import PickedValue, pick_value
from bridge.web.console.playground_results import describe_explanation
from bridge.web.console.record_links import link_run
from bridge.web.console.timeline import build_timeline

MAX_RAW_BYTES: Final = 64 * 1024
MAX_START_DIGITS: Final = 9
#: A payload without values. `has_bytes`: its page leads to the body as it arrived.
NO_VALUES: Final[Mapping[str, Any]] = {"tree": (), "at": "", "search": None, "has_bytes": False}
DELETED: Final = "The `retention` of its source has deleted its body."


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPart:
    """A delivery on the page of its event. `run_url`: null unless it is http or https."""

    shown: ShownDelivery
    status: str
    is_open: bool
    run_url: str | None
    steps: Sequence[Sequence[AdvicePart]]
    inputs: Sequence[TreePart]
    outputs: Sequence[TreePart]


def show_event(console_request: ConsoleRequest) -> Screen:
    """Return the page of an event; for the script, only the value that its URL names."""
    screen = _read_screen(console_request)
    event = screen.event
    body = _read_body(console_request, screen)
    picked = pick_value(event, body, console_request.http.args) if screen.has_contents else None
    if picked is not None and console_request.wants_part:
        return _show_picked(picked)
    return _screen(
        screen,
        "event.html",
        {
            "tab": "event",
            "timeline": build_timeline(screen, len(event.body) if screen.has_contents else None),
            "deliveries": [
                _describe_delivery(shown_delivery, is_only=len(screen.deliveries) == 1)
                for shown_delivery in screen.deliveries
            ],
            "unmatched": screen.unmatched,
            "unmatched_step": split_advice(find_unmatched_step(event)),
            "config_error": screen.config_error,
            "payload": _read_payload(console_request, event, body),
            "picked": picked,
        },
    )


def open_delivery(console_request: ConsoleRequest) -> Response:
    """Lead to the event of a delivery, with the delivery on the page."""
    history = selection.find_event(console_request.context, console_request.ask())
    place = f"#{history.delivery_id}" if history.delivery_id else ""
    return redirect(make_link(f"/events/{history.event.id}") + place, 303)


def show_request(console_request: ConsoleRequest) -> Screen:
    """Return the request of an event as it arrived: headers, query and the raw body."""
    screen = _read_screen(console_request)
    event = screen.event
    picked = pick_value(event, None, console_request.http.args)
    if picked is not None and console_request.wants_part:
        return _show_picked(picked)
    raw = event.body[:MAX_RAW_BYTES]
    text = None
    with suppress(UnicodeDecodeError):
        # a character may be cut in two at the end
        text = raw.decode(errors="strict" if len(raw) == len(event.body) else "ignore")
    return _screen(
        screen,
        "event_request.html",
        {
            "tab": "request",
            "text": text,
            "size": len(event.body),
            "shown": len(raw),
            "deleted": DELETED if is_content_deleted(event) else None,
            "picked": picked,
            "mask": MASK,
        },
    )


def download_body(console_request: ConsoleRequest) -> Response:
    """Return the raw body as a file, which no browser opens."""
    answer = events.show_event_body(console_request.context, console_request.ask())
    if not isinstance(answer, RawAnswer):
        raise TypeError("show_body answers raw bytes")
    return make_download(answer.content, answer.file_name)


def explain_event(console_request: ConsoleRequest) -> Screen:
    """Return what each route does with an event, clause by clause."""
    screen = _read_screen(console_request)
    explanation = console_request.read(
        explain.explain_event, (EXPLAINED_ROUTES, EXPLAINED_ROUTE, SCREEN)
    )
    explained = describe_explanation(explanation)
    return _screen(
        screen,
        "event_explain.html",
        {
            "tab": "explain",
            "explanation": explanation,
            "routes": explained["routes"],
            "other_sources": explained["left_out"],
            "then": console_request.given.get("routes") == ["then"],
        },
    )


# -- parts


def _read_screen(console_request: ConsoleRequest) -> EventScreen:
    return parse_screen(console_request.read(events.show_event, (SCREEN,), {"screen": ["true"]}))


def _screen(screen: EventScreen, template: str, values: Mapping[str, Any]) -> Screen:
    event = screen.event
    about = {
        "event": event,
        "has_contents": screen.has_contents,
        "path": f"/events/{event.id}",
    }
    return Screen(
        template=template,
        title=f"{event.source} {event.type or ''}".strip(),
        values={**about, **values},
    )


def _read_body(console_request: ConsoleRequest, screen: EventScreen) -> Body | None:
    """Return the body as routes see it; null where it is hidden or deleted."""
    if not screen.has_contents or is_content_deleted(screen.event):
        return None
    return body_reader(console_request.context.config().sources)(screen.event)


def _show_picked(picked: PickedValue) -> Screen:
    values = {"picked": picked}
    return Screen(template="picked_value.html", title="", values=values, is_part=True)


def _read_payload(
    console_request: ConsoleRequest, event: Event, body: Body | None
) -> dict[str, Any]:
    if body is None:
        problem = DELETED if console_request.may_read_contents else None
        return {**NO_VALUES, "problem": problem}
    if body.problem is not None and body.value is None:
        return {**NO_VALUES, "problem": body.problem, "has_bytes": bool(event.body)}
    pointer = console_request.http.args.get("at", "")
    digits = console_request.http.args.get("from", "0")
    start = int(digits) if digits.isdecimal() and len(digits) <= MAX_START_DIGITS else 0
    try:
        value = find_value(body.value, pointer)
    except (LookupError, ValueError):
        raise refuse(404, f"{event.id} has no value at {pointer[:200]!r}.") from None
    path = write_path("body", pointer)
    text = console_request.http.args.get("search", "").strip()[:MAX_SEARCH_CHARS]
    return {
        **NO_VALUES,
        "tree": build_tree(value, path=path, pointer=pointer, start=start),
        "problem": body.problem,
        "at": path if pointer else "",
        "pointer": pointer,
        "search": search_payload(value, text, path=path, pointer=pointer) if text else None,
    }


def _describe_delivery(shown_delivery: ShownDelivery, *, is_only: bool) -> DeliveryPart:
    delivery = shown_delivery.delivery
    return DeliveryPart(
        shown=shown_delivery,
        status=describe_status(delivery),
        is_open=is_only or needs_person(delivery) or not is_over(delivery),
        run_url=link_run(delivery.run_url),
        steps=[split_advice(step) for step in shown_delivery.next_steps],
        inputs=build_small_tree(delivery.inputs, "inputs"),
        outputs=build_small_tree(delivery.outputs, "outputs"),
    )
