"""`/runs`: the runs in flight, the newest runs of a flow, and one run; a person can end a run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import orjson
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api import platform_calls
from bridge.api.parameters import FLOW, PLATFORM
from bridge.api.problems import ApiProblem
from bridge.api.resources import runs
from bridge.core.errors import AmbiguousId, InvalidRequest, NotFound
from bridge.core.local_runs import LocalRun
from bridge.core.model import JSON, Delivery
from bridge.core.scopes import Scope
from bridge.routing.model import Config, Platform
from bridge.services.platforms import platform_names, platform_queries
from bridge.store.inbound import events
from bridge.store.local import runs as local_runs
from bridge.store.queries import event_lookup
from bridge.web.console.console_request import ConsoleRequest, Screen, check_id
from bridge.web.console.failures import refuse
from bridge.web.console.links import make_link
from bridge.web.console.payload_tree import build_small_tree

MAX_LOG_LINES: Final = 500
OVER: Final = ("done", "failed", "terminated")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """One run. `state` is null where the platform gave none; `detail` then says why."""

    id: str
    platform: str
    flow: str
    state: str | None
    raw_state: str | None = None
    detail: str = ""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    inputs: JSON = None
    outputs: JSON = None
    log: Sequence[str] = ()
    user_id: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in OVER


def open_runs(console_request: ConsoleRequest) -> Screen:
    """Return one run for `run_id`, else a list. The local platform hands out such URLs."""
    run_id = console_request.read_id("run_id")
    return _list_runs(console_request) if run_id is None else _show_run(console_request, run_id)


def end_run(console_request: ConsoleRequest) -> Response:
    """Ask the platform to end a run with its subflow runs."""
    form = console_request.http.form
    platform = form.get("platform", "")
    run_id = check_id("run_id", form.get("run_id", ""))
    named = replace(console_request, ids={"platform": platform, "id": run_id})
    killed = named.read(runs.kill_run)
    if not killed["killed"]:
        detail = killed["detail"]
        raise refuse(409, f"The platform did not end the run{f': {detail}' if detail else ''}.")
    return redirect(make_link("/runs", {"run_id": run_id, "platform": platform}), 303)


# -- a list


def _list_runs(console_request: ConsoleRequest) -> Screen:
    config = console_request.context.config()
    query = {name: texts for name, texts in console_request.given.items() if name != "flow_id"}
    reply = console_request.read(runs.list_runs, (FLOW, PLATFORM), query)
    flow = next(iter(query.get("flow", ())), None)
    return Screen(
        template="runs.html",
        title=f"Runs of {flow}" if flow else "Runs in flight",
        values={
            "runs": reply["items"],
            "is_complete": reply["complete"],
            "flow": flow,
            "platform": next(iter(query.get("platform", ())), None),
            "flows": [
                name
                for name, named in config.flows.items()
                if platform_queries.lists_runs(config.platforms[named.platform])
            ],
        },
    )


# -- one run


def _show_run(console_request: ConsoleRequest, run_id: str) -> Screen:
    config = console_request.context.load_platforms()
    delivery = _find_delivery(console_request, run_id)
    with console_request.context.database.read() as connection:
        local = local_runs.get(connection, run_id)
    platform = _find_platform(console_request, config, run_id, delivery, local)
    if local is not None and (platform is None or platform.type == "local"):
        name = platform.name if platform else "local"
        run = _describe_local(local, name)
    elif platform is not None:
        run = _ask_platform(console_request, platform, run_id, delivery)
    else:
        raise refuse(404, f"No platform of routes.yaml is known to have the run {run_id[:100]!r}.")
    shows = console_request.may_read_contents
    return Screen(
        template="run.html",
        title=f"Run {run.id}",
        values={
            "run": run,
            "delivery": delivery,
            "has_contents": shows,
            "detail": run.detail if shows else "",
            "inputs": build_small_tree(run.inputs, "inputs") if shows else [],
            "outputs": build_small_tree(run.outputs, "outputs") if shows else [],
            "log": [*run.log[-MAX_LOG_LINES:]] if shows else [],
            "more_lines": max(len(run.log) - MAX_LOG_LINES, 0),
            "may_end": console_request.may(Scope.ACT) and platform is not None and not run.is_over,
        },
    )


def _find_delivery(console_request: ConsoleRequest, run_id: str) -> Delivery | None:
    """Return the delivery that started a run, or null: a person may have started it."""
    database = console_request.context.database
    with suppress(NotFound, AmbiguousId):
        event_id, _ = event_lookup.find(database, run_id, by_ending=False)
        deliveries = events.deliveries_of(database, [event_id])[event_id]
        return next((delivery for delivery in deliveries if delivery.run_id == run_id), None)
    return None


def _find_platform(
    console_request: ConsoleRequest,
    config: Config,
    run_id: str,
    delivery: Delivery | None,
    local: LocalRun | None,
) -> Platform | None:
    """Return the platform of a run: as given, that of its delivery or flow, or the only one."""
    platform_name = console_request.read_id("platform")
    flow_id = console_request.read_id("flow_id")
    if platform_name is not None:
        if platform_name not in config.platforms:
            raise refuse(404, f"routes.yaml has no platform {platform_name[:100]!r}.")
        return config.platforms[platform_name]
    if delivery is not None and delivery.platform in config.platforms:
        return config.platforms[delivery.platform]
    if local is not None:
        return config.local_platform
    named = [*config.flows.values(), *(route.flow for route in config.routes)]
    for flow in named:
        if flow_id is not None and flow.saved_item_id == flow_id:
            return config.platforms[flow.platform]
    with suppress(InvalidRequest):
        types = {platform.name: platform.type for platform in config.platforms.values()}
        return config.platforms[platform_names.find_run(types, run_id)[0]]
    return None


def _describe_local(run: LocalRun, platform: str) -> ShownRun:
    try:
        inputs = orjson.loads(run.inputs) if run.inputs else None
    except orjson.JSONDecodeError:
        inputs = run.inputs
    return ShownRun(
        id=run.id,
        platform=platform,
        flow=run.saved_item_id,
        state=run.state.value.lower(),
        raw_state=run.state.value,
        detail=run.unsealable or "",
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        inputs=inputs,
        outputs=dict(run.outputs) or None,
        log=run.log,
        user_id=run.user_id,
    )


def _ask_platform(
    console_request: ConsoleRequest, platform: Platform, run_id: str, delivery: Delivery | None
) -> ShownRun:
    flow_id = console_request.read_id("flow_id")
    try:
        report = platform_calls.ask_platform(
            console_request.context,
            lambda: platform_queries.read_run(platform, run_id),
            with_contents=console_request.may_read_contents,
        )
    except ApiProblem as error:
        if delivery is None:
            raise
        return _describe_stored(run_id, delivery, error.detail)
    if report.gone:
        if delivery is not None:
            return _describe_stored(run_id, delivery, "The platform no longer has this run.")
        raise refuse(404, f"The platform {platform.name} has no run {run_id[:100]!r}.")
    return ShownRun(
        id=run_id,
        platform=platform.name,
        flow=(delivery.saved_item_id if delivery else flow_id) or "",
        state=report.state.value if report.state else None,
        raw_state=report.raw_state,
        detail=report.detail,
        created_at=report.created_at or (delivery.delivered_at if delivery else None),
        finished_at=report.finished_at,
        inputs=delivery.inputs if delivery else None,
        outputs=report.outputs,
        log=report.log,
    )


def _describe_stored(run_id: str, delivery: Delivery, detail: str) -> ShownRun:
    """Return a run as its delivery has it, for a platform that gives no answer now."""
    return ShownRun(
        id=run_id,
        platform=delivery.platform,
        flow=delivery.saved_item_id,
        state=delivery.run_state.value if delivery.run_state else None,
        detail=detail,
        created_at=delivery.delivered_at,
        finished_at=delivery.finished_at,
        inputs=delivery.inputs,
        outputs=delivery.outputs,
        log=delivery.log or (),
    )
