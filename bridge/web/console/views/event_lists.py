"""`/events` and `/deliveries`: lists with the filters of the commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from werkzeug.wrappers import Response

from bridge.services.delivery_states import describe_status
from bridge.services.parsed_records import parse_delivery
from bridge.web.admin import resources
from bridge.web.admin.parameters import SCREEN, filter_parameters
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.lists import ListKind, read_list

RARE: Final = ("run", "reason", "dead_kind", "until", "body", "where", "spam")
EVENTS: Final = ListKind(
    path="/events",
    answer=resources.list_events,
    parameters=filter_parameters(of_events=True),
    rare=RARE,
    presets=(
        ("no route matched", {"status": "none"}),
        ("died today", {"status": "dead", "since": "1d"}),
        ("run failed", {"run": "failed", "since": "1d"}),
        ("spam", {"spam": "true"}),
    ),
)
DELIVERIES: Final = ListKind(
    path="/deliveries",
    answer=resources.list_deliveries,
    parameters=(*filter_parameters(of_events=False), SCREEN),
    fixed={"screen": ["true"]},
    rare=RARE,
    presets=(
        ("waiting", {"status": "queued"}),
        ("dead", {"status": "dead"}),
        ("unknown", {"status": "unknown"}),
        ("run failed", {"run": "failed", "since": "1d"}),
    ),
)


def list_events(asked: ConsoleRequest) -> Screen | Response:
    """Return a page of events."""
    found = read_list(asked, EVENTS)
    if isinstance(found, Response):
        return found
    outcomes = {one["id"]: _count_statuses(one) for one in found.items}
    return Screen(
        template="events.html",
        title="Events",
        values={"list": found, "outcomes": outcomes},
        status=found.status,
    )


def list_deliveries(asked: ConsoleRequest) -> Screen | Response:
    """Return a page of deliveries."""
    found = read_list(asked, DELIVERIES)
    if isinstance(found, Response):
        return found
    records = {one["id"]: parse_delivery(one) for one in found.items}
    return Screen(
        template="deliveries.html",
        title="Deliveries",
        values={
            "list": found,
            "statuses": {id_: describe_status(one) for id_, one in records.items()},
        },
        status=found.status,
    )


def _count_statuses(event: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how many deliveries of an event have each status, the status in words."""
    return [*Counter(describe_status(parse_delivery(one)) for one in event["deliveries"]).items()]
