"""`/causes`: dead deliveries by cause, with what to do about each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from werkzeug.wrappers import Response

from bridge.api import selection
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.problems import ApiProblem
from bridge.api.resources.causes import CAUSE_FILTERS
from bridge.core.model import DeadKind
from bridge.core.units import iso
from bridge.services.dead_causes import CauseGroup, CauseReport, group_by_cause
from bridge.services.operations.selection import MAX_IDS
from bridge.services.records.report_records import CAUSE
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.failures import refuse
from bridge.web.console.hour_chart import count_hours, draw_hours
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.operation_forms import read_filters
from bridge.web.console.views.operations import propose_operation

MAX_EXAMPLES: Final = 3  # of a cause
MAX_ROUTES: Final = 5  # of a cause that are named
#: What helps against a cause, by the kind of its deliveries. Routing rejected those of `ours`, so
#: they are planned again; the inputs of the others are sent again.
COMMANDS: Final[Mapping[DeadKind | None, Sequence[str]]] = {DeadKind.OURS: ("replay",)}
ALL_COMMANDS: Final = ("retry", "replay")


def list_causes(console_request: ConsoleRequest) -> Screen:
    """Return the causes of dead deliveries, the most frequent first."""
    report = CauseReport(())

    def answer(context: ApiContext, request: ApiRequest) -> Answer:
        nonlocal report
        report = group_by_cause(context.database, selection.read_filters(context, request))
        return {"items": [], "next": None, "looked_until": iso(report.read_until)}

    kind = ListKind(
        path="/causes",
        answer=answer,
        parameters=CAUSE_FILTERS,
        rare=("type", "until"),
        presets=(("today", {"since": "1d"}), ("parked by routing", {"dead_kind": "config"})),
    )
    console_list = read_list(console_request, kind)
    return Screen(
        template="causes.html",
        title="Causes",
        values={
            "list": console_list,
            "causes": [_describe(console_request, group) for group in report.groups],
            "here": make_link("/causes", console_request.given),
            "filters": [
                (name, text) for name, texts in console_request.given.items() for text in texts
            ],
        },
        status=console_list.status,
    )


def act_on_cause(console_request: ConsoleRequest) -> Response:
    """Propose to retry or replay the deliveries of a cause, as many as the page counted.

    The form has the key and the kind of the cause, and the filters of the page.
    """
    form = console_request.http.form
    request = console_request.ask(CAUSE_FILTERS, read_filters(form))
    report = group_by_cause(
        console_request.context.database, selection.read_filters(console_request.context, request)
    )
    key = form.get("key", ""), form.get("kind", "")
    group = next((candidate for candidate in report.groups if _key(candidate) == key), None)
    if group is None:
        raise refuse(409, "No delivery of this cause is left: another person was faster.")
    command = form.get("command", "")
    if command not in COMMANDS.get(group.dead_kind, ALL_COMMANDS):
        raise ApiProblem("invalid_body", "this cause allows no such command")
    route = form.get("route", "")
    if command == "replay" and not route:  # the event's other routes would start again
        raise ApiProblem("invalid_body", "a replay needs one route of the cause")
    deliveries = [delivery for delivery in group.deliveries if route in ("", delivery.route)][
        :MAX_IDS
    ]
    if not deliveries:
        raise refuse(409, "No delivery of this cause and route is left: another person was faster.")
    how = {"through": route} if command == "replay" else {}
    ids = [delivery.id if command == "retry" else delivery.event_id for delivery in deliveries]
    body: dict[str, Any] = {"command": command, "mode": "propose", "ids": [*dict.fromkeys(ids)]}
    return propose_operation(console_request, body | ({"how": how} if how else {}))


def _key(group: CauseGroup) -> tuple[str, str]:
    return group.cause.key, group.dead_kind.word if group.dead_kind else ""


def _describe(console_request: ConsoleRequest, group: CauseGroup) -> dict[str, Any]:
    """Return a cause with its newest examples; their reasons only where contents may be read."""
    routes = Counter(delivery.route for delivery in group.deliveries)
    shape = CAUSE.write(group)
    return {
        **shape,
        "kind": _key(group)[1],
        "commands": COMMANDS.get(group.dead_kind, ALL_COMMANDS),
        "route_counts": routes.most_common(MAX_ROUTES),
        "chart": draw_hours(
            count_hours((delivery.died_at for delivery in group.deliveries), time.time()),
            "died",
            "died",
        ),
        "more_routes": max(len(routes) - MAX_ROUTES, 0),
        "examples": [
            {
                "id": delivery.id,
                "route": delivery.route,
                "at": delivery.died_at,
                "reason": delivery.reason if console_request.may_read_contents else None,
            }
            for delivery in group.deliveries[:MAX_EXAMPLES]
        ],
    }
