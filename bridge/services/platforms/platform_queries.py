"""Calls to the platforms of routes.yaml: list flows, inputs and runs, start a run, and end one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from bridge.core.errors import BridgeError, NotFound, PlatformRefused, StartUnanswered
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import JSON, Delivery, Status
from bridge.core.status import Outcome, RunReport

if TYPE_CHECKING:
    from bridge.delivery.platforms.model import InputNode, KillReport, ListedRun, Listing, SavedFlow
    from bridge.delivery.platforms.registry import PlatformType
    from bridge.routing.model import Config, Platform

T = TypeVar("T")
MAX_ANSWER_BYTES = 8 * 1024 * 1024  # a person may wait for a long log
MAX_LOG_LINES = 1000
MAX_HINT_NAMES = 20
MAX_LISTED_RUNS = 10  # platforms list no more
REFUSED_IDS = (400, 422)  # statuses of answers to the id of a flow that cannot exist


def platform_type(platform: Platform) -> PlatformType:
    """Return the row of the platform's type."""
    from bridge.delivery.platforms.registry import PLATFORMS

    return PLATFORMS[platform.type]


def unsupported(platform: Platform, what: str) -> NotFound:
    """Return the error for a platform without such a feature: it only posts inputs to a URL."""
    return NotFound(f"the platform {platform.name!r} ({platform.type}) has no {what}")


def explain_missing_flow(platform: Platform, saved_item_id: str) -> str:
    """Return a message if the platform's list lacks a flow, with its flows; else an empty text."""
    from bridge.core.typos import suggest

    try:
        listed = _ask_for_flows(platform).items
    except BridgeError:
        return ""
    if listed is None or any(flow.id == saved_item_id for flow in listed):
        return ""
    called = next(
        (flow for flow in listed if flow.name.casefold() == saved_item_id.casefold()), None
    )
    hint = (
        f"did you mean `{called.id}`? "
        if called
        else suggest(saved_item_id, [flow.id for flow in listed])
    )
    names = [flow.id for flow in listed[:MAX_HINT_NAMES]] + (
        ["…"] if len(listed) > MAX_HINT_NAMES else []
    )
    return (
        f"the platform {platform.name!r} has no flow {saved_item_id!r}; {hint}it has:"
        f" {', '.join(names) or 'none'}"
    )


# -- lists


def list_flows(platform: Platform) -> tuple[SavedFlow, ...]:
    """Return the saved flows of a platform.

    `BridgeError` where it has no list or did not answer.
    """
    return _items(platform, _ask_for_flows(platform))


def platforms_with_flows(config: Config) -> list[Platform]:
    """Return the platforms that can list their flows."""
    return [platform for platform in config.platforms.values() if platform_type(platform).flows]


def lists_runs(platform: Platform) -> bool:
    """Return whether the platform can list the runs of a flow."""
    return platform_type(platform).runs is not None


def list_all_flows(
    platforms: Iterable[Platform],
) -> tuple[list[tuple[Platform, SavedFlow]], list[BridgeError]]:
    """Return the saved flows of these platforms, and the error of each that did not answer."""
    listed: list[tuple[Platform, SavedFlow]] = []
    problems: list[BridgeError] = []
    for platform in platforms:
        try:
            listed += [(platform, flow) for flow in list_flows(platform)]
        except BridgeError as error:
            problems.append(error)
    return listed, problems


def list_inputs(platform: Platform, saved_item_id: str) -> tuple[InputNode, ...]:
    """Return the inputs of a flow.

    `BridgeError` where the platform cannot list them or did not answer; `NotFound`, with the
    nearest name, where it has no such flow.
    """
    return _items(platform, ask_for_inputs(platform, saved_item_id), saved_item_id)


def ask_for_inputs(platform: Platform, saved_item_id: str) -> Listing[InputNode]:
    """Return the platform's answer about the inputs of a flow.

    `BridgeError` where the platform cannot list them or did not answer.
    """
    question = platform_type(platform).inputs
    if question is None:
        raise unsupported(platform, "list of inputs")
    return question.read(_send(platform, question.build(platform, saved_item_id)))


def try_to_list_inputs(platform: Platform, saved_item_id: str) -> tuple[InputNode, ...]:
    """Return the inputs of a flow, or none where the platform does not list them."""
    question = platform_type(platform).inputs
    if question is None:
        return ()
    answer = try_to_send(platform, question.build(platform, saved_item_id))
    return (question.read(answer).items or ()) if isinstance(answer, Answer) else ()


def list_runs(platform: Platform, saved_item_id: str) -> tuple[ListedRun, ...]:
    """Return the newest runs of a flow, newest first; `BridgeError` as in `list_inputs`."""
    runs = _items(platform, ask_for_runs(platform, saved_item_id), saved_item_id)
    if not runs and (hint := explain_missing_flow(platform, saved_item_id)):
        raise NotFound(hint)
    return runs[:MAX_LISTED_RUNS]


def ask_for_runs(platform: Platform, saved_item_id: str) -> Listing[ListedRun]:
    """Return the platform's answer about the newest runs of a flow.

    `BridgeError` where the platform has no runs or did not answer.
    """
    question = platform_type(platform).runs
    if question is None:
        raise unsupported(platform, "runs")
    return question.read(_send(platform, question.build(platform, saved_item_id)))


def read_run(platform: Platform, run_id: str) -> RunReport:
    """Return the report of a run, without a state where no answer came."""
    kind = platform_type(platform)
    if kind.build_run is None or kind.read_run is None:
        raise unsupported(platform, "runs")
    answer = try_to_send(platform, kind.build_run(platform, run_id))
    return (
        RunReport(state=None, detail=answer.reason)
        if isinstance(answer, NoAnswer)
        else kind.read_run(answer, MAX_LOG_LINES)
    )


# -- starts and ends


def start_run(platform: Platform, saved_item_id: str, inputs: Mapping[str, JSON]) -> Outcome:
    """Start a flow by hand, and return the outcome. No event and no delivery is stored.

    `BridgeError` where no answer came: `StartUnanswered` if a run may exist.
    """
    now = time.time()
    by_hand = Delivery(
        id=f"run_{os.urandom(8).hex()}",
        event_id="",
        route="",
        flow="",
        platform=platform.name,
        config_hash="",
        saved_item_id=saved_item_id,
        inputs=dict(inputs),
        status=Status.SENDING,
        created_at=now,
        due_at=now,
    )
    kind = platform_type(platform)
    answer = try_to_send(platform, kind.build_start(platform, by_hand))
    if isinstance(answer, NoAnswer) and answer.sent:
        sent = "It was sent, so a run may exist."
        raise StartUnanswered(f"{_describe_failure(platform, answer)} {sent}")
    return kind.read_start(_expect_answer(platform, answer), time.time())


def kill_run(platform: Platform, run_id: str) -> KillReport:
    """Ask a platform to end a run, and return its answer.

    `BridgeError` where it has no runs or did not answer.
    """
    question = platform_type(platform).kill
    if question is None:
        raise unsupported(platform, "runs")
    return question.read(_send(platform, question.build(platform, run_id)))


# -- calls


def try_to_send(platform: Platform, call: Call) -> Answer | NoAnswer:
    """Make a call, and return the answer or the failure.

    `BridgeError` where a value of the platform is not set.
    """
    if platform.missing is not None:
        raise BridgeError(
            f"{platform.name} cannot be called: {platform.missing}. Next: set it in .env"
        )
    from bridge.system.boot_clock import Deadline
    from bridge.system.http_client import HttpClient

    sender = HttpClient(max_answer=MAX_ANSWER_BYTES)
    try:
        return sender.send(call, Deadline.after(platform.timeout))
    finally:
        sender.close()


def _send(platform: Platform, call: Call) -> Answer:
    """Make a call, and return its answer. `BridgeError` where none came."""
    return _expect_answer(platform, try_to_send(platform, call))


def _expect_answer(platform: Platform, answer: Answer | NoAnswer) -> Answer:
    if isinstance(answer, NoAnswer):
        raise BridgeError(_describe_failure(platform, answer))
    return answer


def _describe_failure(platform: Platform, failure: NoAnswer) -> str:
    is_local = platform.type == "local"
    hint = " (its flows run inside `flowbridge serve`: is it running?)" if is_local else ""
    return f"{platform.name}: {failure.reason}{hint}"


def _ask_for_flows(platform: Platform) -> Listing[SavedFlow]:
    question = platform_type(platform).flows
    if question is None:
        raise unsupported(platform, "list of flows")
    return question.read(_send(platform, question.build(platform)))


def _items(platform: Platform, listing: Listing[T], saved_item_id: str = "") -> tuple[T, ...]:
    """Return the items of a list.

    `NotFound` where the platform has no such flow, with a hint at the flow; `BridgeError`, with the
    platform's message, where there are none for another reason.
    """
    if listing.items is not None:
        return listing.items
    may_lack = listing.unknown or listing.status_code in REFUSED_IDS
    hint = explain_missing_flow(platform, saved_item_id) if may_lack and saved_item_id else ""
    if hint:
        raise NotFound(hint)
    raise PlatformRefused(platform.name, listing.detail)
