"""The answers of the admin API about flows and runs, which platforms are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeVar

from bridge.core.errors import BridgeError, InvalidRequest, NotFound, PlatformRefused
from bridge.core.model import JSON, Delivery
from bridge.core.times import iso
from bridge.routing.model import Platform
from bridge.services import platform_names, platform_queries
from bridge.services.records.flow_records import FLOW, FLOW_INPUT, find_answer_label
from bridge.services.run_owners import describe_owned_runs
from bridge.store.queries.runs_in_flight import list_runs_in_flight
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.problems import TOO_MANY_WAIT, AdminProblem, report_busy
from bridge.web.admin.request_selection import check_known_names

T = TypeVar("T")
#: For an answer of a platform: the request holds a thread of a receiver meanwhile.
PLATFORM_WAIT_SECONDS: Final = 10.0
MAX_ASKED_PLATFORMS: Final = 3  # by one request
MAX_LISTED_FLOWS: Final = 1000
MAX_LISTED_RUNS: Final = 500


def list_flows(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the saved flows of one platform, or of all that can list them."""
    config = context.config()
    name = asked.values["platform"]
    named = (
        [platform_names.find_platform(config, name)]
        if name
        else platform_queries.platforms_with_flows(config)
    )
    asked_now = [hurry(one) for one in named[:MAX_ASKED_PLATFORMS]]
    with wait_for_platform(context):
        listed, problems = platform_queries.list_all_flows(asked_now)
    return {
        "items": [FLOW.write(flow, platform=one.name) for one, flow in listed[:MAX_LISTED_FLOWS]],
        "complete": len(named) <= MAX_ASKED_PLATFORMS and len(listed) <= MAX_LISTED_FLOWS,
        "problems": [describe_failure(one, with_contents=asked.with_contents) for one in problems],
    }


def list_flow_inputs(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the inputs of a flow: the names that `inputs:` of a route can set."""
    return _list_inputs(context, asked, find_platform(context, asked), asked.ids["id"])


def list_named_flow_inputs(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the inputs of a flow by its name in routes.yaml, or as PLATFORM/FLOW."""
    found = platform_names.find_flow(context.config(), asked.values["flow"])
    return _list_inputs(context, asked, *found)


def _list_inputs(
    context: AdminContext, asked: AdminRequest, platform: Platform, saved_item_id: str
) -> Answer:
    nodes = ask_platform(
        context,
        lambda: platform_queries.list_inputs(hurry(platform), saved_item_id),
        with_contents=asked.with_contents,
    )
    return {
        "items": [
            FLOW_INPUT.write(node, platform=platform.name, saved_item_id=saved_item_id)
            for node in nodes
        ]
    }


def list_runs(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the runs in flight that deliveries started; with `flow` the flow's newest runs."""
    config = context.config()
    flow = asked.values["flow"]
    shown: list[JSON] = []
    if flow is None:
        found = list_runs_in_flight(context.database, asked.values["platform"], MAX_LISTED_RUNS + 1)
        if not found:
            check_known_names(context, asked)
        shown += [_in_flight(one) for one in found[:MAX_LISTED_RUNS]]
        return {"items": shown, "complete": len(found) <= MAX_LISTED_RUNS}
    if asked.values["platform"] is not None:
        raise InvalidRequest("`flow` names its platform: leave out `platform`")
    platform, saved_item_id = platform_names.find_flow(config, flow)
    listed = ask_platform(
        context,
        lambda: platform_queries.list_runs(hurry(platform), saved_item_id),
        with_contents=asked.with_contents,
    )
    shown += describe_owned_runs(
        context.database, platform.name, listed, with_contents=asked.with_contents
    )
    return {"items": shown, "complete": len(listed) < platform_queries.MAX_LISTED_RUNS}


def _in_flight(one: Delivery) -> dict[str, JSON]:
    return {
        "platform": one.platform,
        "saved_item_id": one.saved_item_id,
        "run_id": one.run_id,
        "run_state": one.run_state,
        "raw_state": None,
        "outputs": None,
        "created_at": iso(one.delivered_at),
        "finished_at": None,
        "delivery_id": one.id,
        "event_id": one.event_id,
        "route": one.route,
    }


def describe_failure(error: BridgeError, *, with_contents: bool) -> str:
    """Return the message of a call to a platform that failed."""
    if with_contents or not isinstance(error, PlatformRefused):
        return str(error)
    return f"{error.platform}: {find_answer_label(error.answer)}"


def find_platform(context: AdminContext, asked: AdminRequest) -> Platform:
    """Return the platform of the path. Raises `AdminProblem`."""
    try:
        return platform_names.find_platform(context.config(), asked.ids["platform"])
    except InvalidRequest as error:
        raise AdminProblem("not_found", str(error)) from None


def hurry(platform: Platform) -> Platform:
    """Return a platform whose answers are awaited for a short time only."""
    return replace(platform, timeout=min(platform.timeout, PLATFORM_WAIT_SECONDS))


def ask_platform(context: AdminContext, send: Callable[[], T], *, with_contents: bool) -> T:
    """Return the answer of a platform. Raises `AdminProblem` if there is no usable one, if the
    platform has no such flow, or if too many requests wait for platforms. An `InvalidRequest` of
    `send` passes.

    `with_contents`: the problem may quote what the platform answered.
    """
    with wait_for_platform(context):
        try:
            return send()
        except InvalidRequest:
            raise
        except NotFound as error:
            raise AdminProblem("not_found", str(error)) from None
        except BridgeError as error:
            text = describe_failure(error, with_contents=with_contents)
            raise AdminProblem("platform_failed", text) from None


@contextmanager
def wait_for_platform(context: AdminContext) -> Iterator[None]:
    """Let a request wait for a platform. Raises `AdminProblem` if too many do."""
    with context.seats.wait_in_place() as may_wait:
        if not may_wait:
            raise report_busy(TOO_MANY_WAIT)
        yield
