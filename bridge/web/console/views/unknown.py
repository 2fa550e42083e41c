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
        *(
            parameter
            for parameter in filter_parameters(of_events=False)
            if parameter.name in (*FILTERS, "status")
        ),
        DETAIL_LIMIT,
        BEFORE,
        SCREEN,
    ),
    fixed={"status": [STATUS["status"]], "screen": ["false"]},
)


def list_unknown(console_request: ConsoleRequest) -> Screen:
    """Return the deliveries with an unknown outcome, each with the evidence."""
    console_list = read_list(console_request, UNKNOWN)
    unknown_deliveries = read_unknown_deliveries(
        console_request.context.database,
        [row["id"] for row in console_list.items],
        console_request.context.config(),
    )
    descriptions = [
        _describe(console_request, unknown_delivery)
        for unknown_delivery in unknown_deliveries.values()
        if unknown_delivery.delivery.status is Status.UNKNOWN  # not settled meanwhile
    ]
    commands = DELIVERY_COMMANDS_BY_STATUS[STATUS["status"]]
    return Screen(
        template="unknown.html",
        title="Unknown",
        values={
            "list": console_list,
            "shown": descriptions,
            "bar": make_act_bar(
                console_request, console_list, UNKNOWN.path, commands, fixed=STATUS
            ),
            "here": make_link(UNKNOWN.path, console_request.given),
            "may_read_contents": console_request.may_read_contents,
        },
        status=console_list.status,
    )


def record_run(console_request: ConsoleRequest) -> Response:
    """Propose that a delivery started the run with an id that a person typed."""
    id_ = console_request.http.form.get("id", "")
    if "\0" in id_:
        raise refuse(400, "The form names no delivery.")
    run_id = check_id("run_id", console_request.http.form.get("run_id", "").strip())
    history = selection.find_event(
        console_request.context, replace(console_request.ask(), ids={"id": id_})
    )
    delivery = next(
        (candidate for candidate in history.deliveries if candidate.id == history.delivery_id), None
    )
    if delivery is None:
        raise refuse(400, "That is the id of an event, not of a delivery.")
    how: dict[str, Any] = {"to": Status.DELIVERED.value, "run_id": run_id}
    is_searched_for = delivery.look_at is not None  # by flowbridge too
    if console_request.http.form.get("force") or is_searched_for:
        how["force"] = True
    body = {"command": "resolve", "mode": "propose", "ids": [delivery.id], "how": how}
    return propose_operation(console_request, body)


def _describe(console_request: ConsoleRequest, unknown_delivery: UnknownDelivery) -> dict[str, Any]:
    """Return a delivery with both columns. What may quote a payload needs the scope `bodies`."""
    with_contents = console_request.may_read_contents
    shape = unknown_delivery.as_json(with_contents=with_contents)
    needs_decision = bool(unknown_delivery.commands)
    return {
        **shape,
        "event": unknown_delivery.event,
        "attempt": shape["attempt"],
        "needs_decision": needs_decision,
        "has_runs": unknown_delivery.has_runs,
        "force": unknown_delivery.delivery.look_at is not None,
        "steps": [
            split_advice(replace(step, sentence=as_sentence(step.sentence)))
            for step in unknown_delivery.next_steps
        ]
        if with_contents
        else [],
        "seen": _describe_evidence(unknown_delivery) if with_contents else None,
        "not_looked": None
        if unknown_delivery.delivery.evidence is not None
        else as_sentence(unknown_delivery.not_looked),
    }


def _describe_evidence(unknown_delivery: UnknownDelivery) -> Mapping[str, Any] | None:
    """Return the evidence of the platform's list, with its decision in words; null without one."""
    evidence = evidence_json(unknown_delivery.delivery.evidence)
    if not isinstance(evidence, dict):
        return None
    problem, _ = last_list_failure(unknown_delivery.delivery.evidence)
    candidates = evidence.get("candidates")
    runs: Sequence[Any] = candidates if isinstance(candidates, list) else ()
    return {
        "since": evidence.get("since"),
        "until": evidence.get("until"),
        "looks": evidence.get("looks"),
        "looked_at": evidence.get("looked_at"),
        "listed": evidence.get("listed"),
        "covers": evidence.get("covers"),
        "problem": problem,
        "candidates": [run for run in runs if isinstance(run, dict)],
        "others": evidence.get("others") or [],
        "decision": DECISIONS.get(str(evidence.get("decided")), str(evidence.get("decided") or "")),
        "why": None if problem is not None else evidence.get("why"),
    }
