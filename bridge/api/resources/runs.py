"""Runs: those in flight, those that a platform lists, and runs started or ended by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from bridge.api.bodies import REPLAYED, RequestBody, body_schema, digest_body, text
from bridge.api.context import API_PATH, Answer, ApiContext, ApiRequest, StatusAnswer
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import FLOW, NAMED_FLOW, PLATFORM
from bridge.api.platform_calls import ask_platform, find_platform
from bridge.api.problems import ApiProblem
from bridge.api.selection import check_known_names
from bridge.core.audit import AuditAction
from bridge.core.errors import InvalidRequest, StartUnanswered
from bridge.core.model import JSON, Delivery
from bridge.core.scopes import Scope
from bridge.core.status import OutcomeKind, RunReport
from bridge.delivery.platforms.model import ListedRun
from bridge.services.audit import record_done
from bridge.services.lists import write_list
from bridge.services.platforms import platform_names, platform_queries
from bridge.services.platforms.run_owners import describe_owned_runs
from bridge.services.platforms.runs_by_hand import RECORDED, Record, end_run, start_flow
from bridge.services.records.flow_records import RUN, RUN_REPORT
from bridge.store.operations import run_requests
from bridge.store.queries.runs_in_flight import list_runs_in_flight

MAX_LISTED_RUNS: Final = 500
RUN_BODY: Final = RequestBody(
    "RunRequest",
    body_schema(
        "flow",
        flow={**text(), "description": NAMED_FLOW.doc},
        inputs={"type": "object", "description": "By the names of the flow's inputs."},
    ),
)


def list_runs(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the runs in flight that deliveries started; with `flow` the flow's newest runs."""
    flow = request.values["flow"]
    if flow is None:
        return _list_in_flight(context, request)
    if request.values["platform"] is not None:
        raise InvalidRequest("`flow` names its platform: leave out `platform`")
    platform, saved_item_id = platform_names.find_flow(context.load_platforms(), flow)
    listed = ask_platform(
        context,
        lambda: platform_queries.list_runs(platform, saved_item_id),
        with_contents=request.with_contents,
    )
    runs = describe_owned_runs(
        context.store, platform.name, listed, with_contents=request.with_contents
    )
    return write_list(runs, is_complete=len(listed) < platform_queries.MAX_LISTED_RUNS)


def _list_in_flight(context: ApiContext, request: ApiRequest) -> Answer:
    platform = request.values["platform"]
    deliveries = list_runs_in_flight(context.database, platform, MAX_LISTED_RUNS + 1)
    if not deliveries:
        check_known_names(context, request)
    return write_list(
        map(_describe_in_flight, deliveries[:MAX_LISTED_RUNS]),
        is_complete=len(deliveries) <= MAX_LISTED_RUNS,
    )


def _describe_in_flight(delivery: Delivery) -> dict[str, JSON]:
    report = RunReport(state=delivery.run_state, created_at=delivery.delivered_at)
    return RUN.write(
        ListedRun(id=str(delivery.run_id), saved_item_id=delivery.saved_item_id, report=report),
        platform=delivery.platform,
        delivery_id=delivery.id,
        event_id=delivery.event_id,
        route=delivery.route,
    )


def start_run(context: ApiContext, request: ApiRequest) -> Answer:
    """Start a flow by hand, as `flows run --json`, with `notes` on its inputs and a `hint`.

    With an `Idempotency-Key`, the same request starts no second run.
    """
    if request.idempotency_key is None:
        return _answer_start(_start(context, request))
    named = (context.database, request.token_id, request.idempotency_key)
    if not run_requests.begin(*named, digest_body(request.body), time.time()):
        return repeat_run(context, request) or start_run(context, request)  # a rival's
    try:
        started = _start(context, request)
    except ApiProblem as problem:
        if not isinstance(problem.__cause__, StartUnanswered):
            run_requests.withdraw(*named)
        raise
    if started["outcome"] in RECORDED:
        run_requests.finish(*named, started)
    else:  # certainly not started
        run_requests.withdraw(*named)
    return _answer_start(started)


def repeat_run(context: ApiContext, request: ApiRequest) -> Answer | None:
    """Return the answer to a request that was sent before with the same key; null for a new one."""
    if request.idempotency_key is None:
        return None
    sent = run_requests.find(context.database, request.token_id, request.idempotency_key)
    if sent is None:
        return None
    if sent.digest != digest_body(request.body):
        raise ApiProblem("idempotency_key_reused", "this Idempotency-Key began another request")
    if not isinstance(sent.answer, dict):
        raise _report_unanswered()
    return _answer_start(sent.answer, REPLAYED)


def _report_unanswered() -> ApiProblem:
    return ApiProblem(
        "outcome_unknown",
        "the platform has not answered the first request with this Idempotency-Key, so a run may"
        " exist: look at the runs of the flow",
    )


def _answer_start(started: Mapping[str, JSON], headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer: 201 where the flow was started, with the URL of its run if it has one."""
    headers = dict(headers or {})
    if started["outcome"] != OutcomeKind.STARTED:
        return StatusAnswer(started, 200, headers)
    if started["run_id"]:
        parts = (quote(str(started[name]), safe="") for name in ("platform", "run_id"))
        headers["Location"] = f"{API_PATH}/runs/{'/'.join(parts)}"
    return StatusAnswer(started, 201, headers)


def _start(context: ApiContext, request: ApiRequest) -> Mapping[str, JSON]:
    inputs = request.body.get("inputs", {})
    record = _make_recorder(context, request)
    try:
        platform, saved_item_id = platform_names.find_flow(
            context.load_platforms(), request.body["flow"]
        )
        return ask_platform(
            context,
            lambda: start_flow(
                platform,
                saved_item_id,
                inputs,
                record,
                with_contents=request.with_contents,
            ),
            with_contents=request.with_contents,
        )
    except InvalidRequest as error:
        raise ApiProblem("invalid_body", str(error)) from None


def show_run(context: ApiContext, request: ApiRequest) -> Answer:
    """Ask a platform for a run: its state, log and outputs."""
    platform = find_platform(context, request)
    run_id = request.ids["id"]
    report = ask_platform(
        context,
        lambda: platform_queries.read_run(platform, run_id),
        with_contents=request.with_contents,
    )
    return RUN_REPORT.write(
        report, with_contents=request.with_contents, platform=platform.name, run_id=run_id
    )


def kill_run(context: ApiContext, request: ApiRequest) -> Answer:
    """Ask a platform to end a run with its subflow runs, as `flows kill --json`."""
    platform = find_platform(context, request)
    return ask_platform(
        context,
        lambda: end_run(
            platform,
            request.ids["id"],
            _make_recorder(context, request),
            with_contents=request.with_contents,
        ),
        with_contents=request.with_contents,
    )


def _make_recorder(context: ApiContext, request: ApiRequest) -> Record:
    """Return how to record what a platform has done for a request."""

    def record(action: AuditAction, subject: str) -> None:
        if context.store is not None:
            record_done(context.store, action, request.by, subject)
        context.log_change(request, action, subject[:200])

    return record


ENDPOINTS: Final = (
    Endpoint(
        path="/runs",
        summary="The runs in flight that deliveries started; with `flow`, its newest runs.",
        answer=list_runs,
        tool=ReadingTool("Runs"),
        schema="RunList",
        parameters=(FLOW, PLATFORM),
        more_problems=(404,),
        has_contents=True,
    ),
    Endpoint(
        method="POST",
        path="/runs",
        summary="Starts a flow by hand, as `flowbridge flows run`.",
        answer=start_run,
        body=RUN_BODY,
        status=201,
        schema="StartedRun",
        more_answers={200: "StartedRun"},
        scope=Scope.ACT,
        more_problems=(404,),
        repeat=repeat_run,
    ),
    Endpoint(
        path="/runs/{platform}/{id}",
        summary="A run, as its platform reports it now.",
        answer=show_run,
        schema="RunReport",
        has_contents=True,
    ),
    Endpoint(
        method="POST",
        path="/runs/{platform}/{id}/kill",
        summary="Asks a platform to end a run, as `flowbridge flows kill`.",
        answer=kill_run,
        schema="KilledRun",
        scope=Scope.ACT,
    ),
)
