"""`/events`, `/deliveries` and `/tail`: lists with the filters of the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import orjson
from werkzeug.wrappers import Response

from bridge.api.parameters import SCREEN, filter_parameters, make_limit, with_limit
from bridge.api.resources import deliveries, events
from bridge.core.model import OWN_SOURCE_NAME
from bridge.services.events.delivery_states import describe_status
from bridge.services.lists import MAX_PAGE_ITEMS
from bridge.services.records.delivery_records import DELIVERY
from bridge.store.queries.filters import Filters
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.live_parts import count_new_rows, is_known, make_tag
from bridge.web.console.operation_forms import make_act_bar

RARE: Final = ("run", "reason", "dead_kind", "until", "body", "where", "spam")
EVENTS: Final = ListKind(
    path="/events",
    answer=events.list_events,
    parameters=filter_parameters(of_events=True),
    rare=RARE,
    is_live=True,
    presets=(
        ("no route matched", {"status": "none"}),
        ("died today", {"status": "dead", "since": "1d"}),
        ("run failed", {"run": "failed", "since": "1d"}),
        ("spam", {"spam": "true"}),
    ),
)
DELIVERIES: Final = ListKind(
    path="/deliveries",
    answer=deliveries.list_deliveries,
    parameters=(*filter_parameters(of_events=False), SCREEN),
    fixed={"screen": ["false"]},
    rare=RARE,
    is_live=True,
    presets=(
        ("waiting", {"status": "queued"}),
        ("dead", {"status": "dead"}),
        ("unknown", {"status": "unknown"}),
        ("run failed", {"run": "failed", "since": "1d"}),
    ),
)
TAIL_ROWS: Final = 25  # what a screen shows: an open tail asks for all of them every second
TAIL: Final = ListKind(
    path="/tail",
    answer=events.list_events,
    parameters=with_limit(filter_parameters(of_events=True), make_limit(MAX_PAGE_ITEMS, TAIL_ROWS)),
    fixed={"before": ()},  # it shows the newest only
    rare=RARE,
)
#: Commands for the rows of a list, by the status that is filtered for.
EVENT_COMMANDS: Final = (
    ("replay", "Replay"),
    ("retry", "Retry deliveries"),
    ("cancel", "Cancel deliveries"),
)
EVENT_COMMANDS_BY_STATUS: Final = {"none": (("replay", "Replay"),)}
SPAM_COMMANDS: Final = (("spam release", "Release"),)
DELIVERY_COMMANDS: Final = (("retry", "Retry"), ("cancel", "Cancel"), ("replay", "Replay events"))
DELIVERY_COMMANDS_BY_STATUS: Final = {
    "unknown": (
        ("resolve:delivered", "They ran"),
        ("resolve:queued", "They did not run: send again"),
        ("resolve:dead", "Give up"),
    ),
    "queued": (("cancel", "Cancel"),),
    "blocked": (("cancel", "Cancel"),),
    "shadow": (("replay", "Replay events"),),
}


def list_events(console_request: ConsoleRequest) -> Screen | Response:
    """Return a page of events."""
    if console_request.wants_part:
        return count_new_rows(console_request, EVENTS)
    console_list = read_list(console_request, EVENTS)
    outcomes = {event["id"]: _count_statuses(event) for event in console_list.items}
    status = console_request.given.get("status", [""])[0]
    is_spam = console_request.given.get("spam") == ["true"]
    commands = SPAM_COMMANDS if is_spam else EVENT_COMMANDS_BY_STATUS.get(status, EVENT_COMMANDS)
    bar = make_act_bar(
        console_request, console_list, EVENTS.path, commands, without_all=("spam",), list_="events"
    )
    return Screen(
        template="events.html",
        title="Events",
        values={
            "list": console_list,
            "outcomes": outcomes,
            "bar": bar,
            "own_url": _link_own(console_request, EVENTS),
        },
        status=console_list.status,
    )


def _link_own(console_request: ConsoleRequest, kind: ListKind) -> str | None:
    """Return the URL of flowbridge's own events, if the list leaves them out."""
    texts: dict[str, Any] = {
        name: console_request.given.get(name, [None])[0] for name in ("source", "route", "type")
    }
    if not Filters(**texts).leaves_out_own:
        return None
    query = {name: texts for name, texts in console_request.given.items() if name != "before"}
    return make_link(kind.path, {**query, "source": [OWN_SOURCE_NAME]})


def list_deliveries(console_request: ConsoleRequest) -> Screen | Response:
    """Return a page of deliveries."""
    if console_request.wants_part:
        return count_new_rows(console_request, DELIVERIES)
    console_list = read_list(console_request, DELIVERIES)
    records = {row["id"]: DELIVERY.parse(row) for row in console_list.items}
    status = console_request.given.get("status", [""])[0]
    commands = DELIVERY_COMMANDS_BY_STATUS.get(status, DELIVERY_COMMANDS)
    return Screen(
        template="deliveries.html",
        title="Deliveries",
        values={
            "list": console_list,
            "bar": make_act_bar(
                console_request, console_list, DELIVERIES.path, commands, list_="deliveries"
            ),
            "statuses": {id_: describe_status(delivery) for id_, delivery in records.items()},
        },
        status=console_list.status,
    )


def tail_events(console_request: ConsoleRequest) -> Screen | Response:
    """Return the newest events, each with the state of its deliveries."""
    console_list = read_list(console_request, TAIL)
    tag = make_tag(orjson.dumps(console_list.items))
    if is_known(console_request, tag) and not console_list.errors:
        return Response(status=304, headers={"ETag": tag})
    query = {name: texts for name, texts in console_request.given.items() if name != "before"}
    return Screen(
        template="tail_rows.html" if console_request.wants_part else "tail.html",
        title="Tail",
        values={
            "list": console_list,
            "deliveries": {event["id"]: _list_statuses(event) for event in console_list.items},
            "refresh": make_link(TAIL.path, query),
            "own_url": _link_own(console_request, TAIL),
        },
        status=console_list.status,
        is_part=console_request.wants_part,
        etag=tag,
    )


def _count_statuses(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how many deliveries of an event have each status, the status in words."""
    return [
        *Counter(
            describe_status(DELIVERY.parse(delivery)) for delivery in event["deliveries"]
        ).items()
    ]


def _list_statuses(event: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return the route, the status in words and the reason of each delivery of an event."""
    return [
        (delivery["route"], describe_status(DELIVERY.parse(delivery)), delivery["reason"])
        for delivery in event["deliveries"]
    ]
