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


def list_events(asked: ConsoleRequest) -> Screen | Response:
    """Return a page of events."""
    if asked.wants_part:
        return count_new_rows(asked, EVENTS)
    found = read_list(asked, EVENTS)
    outcomes = {one["id"]: _count_statuses(one) for one in found.items}
    status = asked.given.get("status", [""])[0]
    is_spam = asked.given.get("spam") == ["true"]
    commands = SPAM_COMMANDS if is_spam else EVENT_COMMANDS_BY_STATUS.get(status, EVENT_COMMANDS)
    bar = make_act_bar(asked, found, EVENTS.path, commands, without_all=("spam",), list_="events")
    return Screen(
        template="events.html",
        title="Events",
        values={
            "list": found,
            "outcomes": outcomes,
            "bar": bar,
            "own_url": _link_own(asked, EVENTS),
        },
        status=found.status,
    )


def _link_own(asked: ConsoleRequest, kind: ListKind) -> str | None:
    """Return the URL of flowbridge's own events, if the list leaves them out."""
    texts: dict[str, Any] = {
        name: asked.given.get(name, [None])[0] for name in ("source", "route", "type")
    }
    if not Filters(**texts).leaves_out_own:
        return None
    given = {name: texts for name, texts in asked.given.items() if name != "before"}
    return make_link(kind.path, {**given, "source": [OWN_SOURCE_NAME]})


def list_deliveries(asked: ConsoleRequest) -> Screen | Response:
    """Return a page of deliveries."""
    if asked.wants_part:
        return count_new_rows(asked, DELIVERIES)
    found = read_list(asked, DELIVERIES)
    records = {one["id"]: DELIVERY.parse(one) for one in found.items}
    status = asked.given.get("status", [""])[0]
    commands = DELIVERY_COMMANDS_BY_STATUS.get(status, DELIVERY_COMMANDS)
    return Screen(
        template="deliveries.html",
        title="Deliveries",
        values={
            "list": found,
            "bar": make_act_bar(asked, found, DELIVERIES.path, commands, list_="deliveries"),
            "statuses": {id_: describe_status(one) for id_, one in records.items()},
        },
        status=found.status,
    )


def tail_events(asked: ConsoleRequest) -> Screen | Response:
    """Return the newest events, each with the state of its deliveries."""
    found = read_list(asked, TAIL)
    tag = make_tag(orjson.dumps(found.items))
    if is_known(asked, tag) and not found.errors:
        return Response(status=304, headers={"ETag": tag})
    given = {name: texts for name, texts in asked.given.items() if name != "before"}
    return Screen(
        template="tail_rows.html" if asked.wants_part else "tail.html",
        title="Tail",
        values={
            "list": found,
            "deliveries": {one["id"]: _list_statuses(one) for one in found.items},
            "refresh": make_link(TAIL.path, given),
            "own_url": _link_own(asked, TAIL),
        },
        status=found.status,
        is_part=asked.wants_part,
        etag=tag,
    )


def _count_statuses(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how many deliveries of an event have each status, the status in words."""
    return [*Counter(describe_status(DELIVERY.parse(one)) for one in event["deliveries"]).items()]


def _list_statuses(event: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return the route, the status in words and the reason of each delivery of an event."""
    return [
        (one["route"], describe_status(DELIVERY.parse(one)), one["reason"])
        for one in event["deliveries"]
    ]
