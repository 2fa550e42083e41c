"""`/unknown`: deliveries whose start may have happened: our evidence beside the platform's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from werkzeug.wrappers import Response

from bridge.api import selection
from bridge.api.parameters import BEFORE, DETAIL_LIMIT, SCREEN, filter_parameters
from bridge.api.resources import deliveries
from bridge.core.model import Status
from bridge.delivery.obstacles import last_list_failure
from bridge.services.records.delivery_records import evidence_json
from bridge.services.unknown.unknown_deliveries import UnknownDelivery, read_unknown_deliveries
from bridge.web.console.advice import split_advice
from bridge.web.console.console_request import ConsoleRequest, Screen, check_id
from bridge.web.console.failures import as_sentence, refuse
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.operation_forms import make_act_bar
from bridge.web.console.views.event_lists import DELIVERY_COMMANDS_BY_STATUS
from bridge.web.console.views.operations import propose_operation

FILTERS: Final = ("source", "route", "since", "until")
STATUS: Final = {"status": Status.UNKNOWN.value}
#: The decision of the last look at the platform's list, in words.
DECISIONS: Final = {
    "adopt": "The run was found: flowbridge records it.",
    "again": "Not decided yet: flowbridge looks again.",
    "queue": "There is no run: flowbridge starts the flow again.",
    "hold": "Only a person can decide.",
}
UNKNOWN: Final = ListKind(
    path="/unknown",
    answer=deliveries.list_deliveries,
    parameters=(
        *(one for one in filter_parameters(of_events=False) if one.name in (*FILTERS, "status")),
        DETAIL_LIMIT,
        BEFORE,
        SCREEN,
    ),
    fixed={"status": [STATUS["status"]], "screen": ["false"]},
)


def list_unknown(asked: ConsoleRequest) -> Screen:
    """Return the deliveries with an unknown outcome, each with the evidence."""
    found = read_list(asked, UNKNOWN)
    known = read_unknown_deliveries(
        asked.context.database, [one["id"] for one in found.items], asked.context.config()
    )
    shown = [
        _describe(asked, one)
        for one in known.values()
        if one.delivery.status is Status.UNKNOWN  # not settled meanwhile
    ]
    commands = DELIVERY_COMMANDS_BY_STATUS[STATUS["status"]]
    return Screen(
        template="unknown.html",
        title="Unknown",
        values={
            "list": found,
            "shown": shown,
            "bar": make_act_bar(asked, found, UNKNOWN.path, commands, fixed=STATUS),
            "here": make_link(UNKNOWN.path, asked.given),
            "may_read_contents": asked.may_read_contents,
        },
        status=found.status,
    )


def record_run(asked: ConsoleRequest) -> Response:
    """Propose that a delivery started the run with an id that a person typed."""
    id_ = asked.http.form.get("id", "")
    if "\0" in id_:
        raise refuse(400, "The form names no delivery.")
    run_id = check_id("run_id", asked.http.form.get("run_id", "").strip())
    found = selection.find_event(asked.context, replace(asked.ask(), ids={"id": id_}))
    one = next((each for each in found.deliveries if each.id == found.delivery_id), None)
    if one is None:
        raise refuse(400, "That is the id of an event, not of a delivery.")
    how: dict[str, Any] = {"to": Status.DELIVERED.value, "run_id": run_id}
    if asked.http.form.get("force") or one.look_at is not None:  # flowbridge looks for the run too
        how["force"] = True
    body = {"command": "resolve", "mode": "propose", "ids": [one.id], "how": how}
    return propose_operation(asked, body)


def _describe(asked: ConsoleRequest, one: UnknownDelivery) -> dict[str, Any]:
    """Return a delivery with both columns. What may quote a payload needs the scope `bodies`."""
    with_contents = asked.may_read_contents
    shape = one.as_json(with_contents=with_contents)
    needs_decision = bool(one.commands)
    return {
        **shape,
        "event": one.event,
        "attempt": shape["attempt"],
        "needs_decision": needs_decision,
        "has_runs": one.has_runs,
        "force": one.delivery.look_at is not None,
        "steps": [
            split_advice(replace(step, sentence=as_sentence(step.sentence)))
            for step in one.next_steps
        ]
        if with_contents
        else [],
        "seen": _describe_evidence(one) if with_contents else None,
        "not_looked": None if one.delivery.evidence is not None else as_sentence(one.not_looked),
    }


def _describe_evidence(one: UnknownDelivery) -> Mapping[str, Any] | None:
    """Return the evidence of the platform's list, with its decision in words; null without one."""
    found = evidence_json(one.delivery.evidence)
    if not isinstance(found, dict):
        return None
    problem, _ = last_list_failure(one.delivery.evidence)
    candidates = found.get("candidates")
    runs: Sequence[Any] = candidates if isinstance(candidates, list) else ()
    return {
        "since": found.get("since"),
        "until": found.get("until"),
        "looks": found.get("looks"),
        "looked_at": found.get("looked_at"),
        "listed": found.get("listed"),
        "covers": found.get("covers"),
        "problem": problem,
        "candidates": [each for each in runs if isinstance(each, dict)],
        "others": found.get("others") or [],
        "decision": DECISIONS.get(str(found.get("decided")), str(found.get("decided") or "")),
        "why": None if problem is not None else found.get("why"),
    }
