"""The platforms of routes.yaml, as the commands about flows ask them: names, calls, answers, and
hints where a name is not quite right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from bridge.cli.options import settings_of
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, Lost
from bridge.core.model import RunReport

if TYPE_CHECKING:
    from bridge.delivery.platforms.model import Listing, SavedFlow
    from bridge.delivery.platforms.registry import PlatformType
    from bridge.routing.model import Config, Platform

T = TypeVar("T")
MAX_ANSWER = 8 * 1024 * 1024  # bytes: a person may wait for a long log
LOG_LINES = 1000
MOST_NAMES = 20  # names that a hint lists


def config_of(config: str | None) -> Config:
    """Return routes.yaml, its embedded platform ready to be called."""
    from bridge.runtime.startup import load_all

    return load_all(settings_of(config, secrets=True)).config


def kind_of(platform: Platform) -> PlatformType:
    """Return the row of the platform's type."""
    from bridge.delivery.platforms.registry import PLATFORMS

    return PLATFORMS[platform.type]


def none_of(platform: Platform, what: str) -> BridgeError:
    """Return that a platform has no such thing: it only posts the inputs to a URL."""
    return BridgeError(f"the platform {platform.name!r} ({platform.type}) has no {what}")


# -- names


def find_platform(config: Config, name: str) -> Platform:
    """Return a platform by its name in routes.yaml."""
    from bridge.routing.expressions.roots import near

    if name not in config.platforms:
        known = ", ".join(config.platforms) or "none"
        raise click.UsageError(
            f"routes.yaml has no platform {name!r}; {near(name, config.platforms)}it has: {known}"
        )
    return config.platforms[name]


def find_flow(config: Config, name: str) -> tuple[Platform, str]:
    """Return the platform and the saved_item_id of a flow: a name under `flows` of routes.yaml, or
    PLATFORM/FLOW.
    """
    from bridge.routing.expressions.roots import near

    if name in config.flows:
        flow = config.flows[name]
        return config.platforms[flow.platform], flow.saved_item_id
    platform, slash, saved_item_id = name.partition("/")
    if not slash or not saved_item_id:
        known = ", ".join(config.flows) or "none"
        raise click.UsageError(
            f"routes.yaml has no flow {name!r}; {near(name, config.flows)}it has: {known}."
            " PLATFORM/FLOW will do, too"
        )
    return find_platform(config, platform), saved_item_id


def find_run(config: Config, name: str) -> tuple[Platform, str]:
    """Return the platform and the id of a run: PLATFORM/RUN, or the id alone where only one
    platform has runs.
    """
    platform, slash, run_id = name.partition("/")
    if slash and platform and run_id:
        return find_platform(config, platform), run_id
    having = [each for each in config.platforms.values() if kind_of(each).has_runs]
    if len(having) != 1 or slash:
        shown = (
            " or ".join(f"{each.name}/RUN" for each in having)
            or "routes.yaml has no platform with runs"
        )
        raise click.UsageError(f"{name!r} does not say on which platform: {shown}")
    return having[0], name


def no_such_flow(platform: Platform, saved_item_id: str) -> str:
    """Return that the platform has no such flow and which it has, found out by its list; nothing
    where it has it or does not tell.
    """
    from bridge.routing.expressions.roots import near

    try:
        listed = list_flows(platform).items
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
        else near(saved_item_id, [flow.id for flow in listed])
    )
    names = [flow.id for flow in listed[:MOST_NAMES]] + (["…"] if len(listed) > MOST_NAMES else [])
    return (
        f"the platform {platform.name!r} has no flow {saved_item_id!r}; {hint}it has:"
        f" {', '.join(names) or 'none'}"
    )


# -- calls


def send(platform: Platform, call: Call) -> Answer:
    """Make a call and return its answer; `BridgeError` where none came, saying what may have become
    of a start.
    """
    answer = try_to_send(platform, call)
    if isinstance(answer, Lost):
        hint = (
            " (its flows run inside `flowbridge serve`: is it running?)"
            if platform.type == "local"
            else ""
        )
        sent = (
            " It was sent, so a run may exist."
            if answer.sent and call.url.endswith("/start_pipeline")
            else ""
        )
        raise BridgeError(f"{platform.name}: {answer.reason}{hint}{sent}")
    return answer


def try_to_send(platform: Platform, call: Call) -> Answer | Lost:
    """Make a call and return what came of it."""
    from bridge.system.http_client import Sender

    sender = Sender(max_answer=MAX_ANSWER)
    try:
        return sender.send(call, platform.timeout)
    finally:
        sender.close()


def list_flows(platform: Platform) -> Listing[SavedFlow]:
    """Return the platform's answer to the question which flows it has."""
    question = kind_of(platform).flows
    if question is None:
        raise none_of(platform, "list of flows")
    return question.read(send(platform, question.build(platform)))


def items(platform: Platform, listing: Listing[T], saved_item_id: str = "") -> tuple[T, ...]:
    """Return what a platform listed; `BridgeError` in its own words where it did not, or with a
    hint where it has no such flow.
    """
    if listing.items is not None:
        return listing.items
    hint = no_such_flow(platform, saved_item_id) if listing.unknown and saved_item_id else ""
    raise BridgeError(hint or f"{platform.name}: {listing.detail}")


def look_at(platform: Platform, run_id: str) -> RunReport:
    """Return how a run is; a call that was lost is a report that does not tell."""
    kind = kind_of(platform)
    if kind.build_run is None or kind.read_run is None:
        raise none_of(platform, "runs")
    answer = try_to_send(platform, kind.build_run(platform, run_id))
    return (
        RunReport(state=None, detail=answer.reason)
        if isinstance(answer, Lost)
        else kind.read_run(answer, LOG_LINES)
    )
