"""Checks of the deliveries and their runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bridge.core.advice import Advice, advise, join_advice, name_command
from bridge.core.model import Status
from bridge.core.status import MAX_DEAD_TODAY, Overview
from bridge.core.text import pluralize
from bridge.delivery.next_steps import Need, find_common_steps, need_of_dead
from bridge.monitoring.checks.occurrence import (
    Occurrence,
    find_since,
    format_clock,
    format_deliveries,
)
from bridge.monitoring.checks.platforms import FULL_SECONDS

# that a due delivery waits for its turn before that is a problem
LATE_SECONDS: Final = 3600.0
FAILING_SHARE: Final = 0.5  # of a route's runs


def find_held_starts(now: Overview) -> Iterator[Occurrence]:
    """Report that all starts are on hold."""
    if now.hold_since is not None:
        yield Occurrence(
            f"all starts are on hold since {format_clock(now.hold_since)}: {now.hold_reason}",
            advise(
                name_command("db release", dry_run=True),
                " shows what waits; then ",
                name_command("db release"),
            ),
        )


def find_missing_platforms(now: Overview) -> Iterator[Occurrence]:
    """Report deliveries that wait for a platform that is not configured."""
    lanes_of = Counter(lane.route for lane in now.queue)
    for lane in now.queue:
        if lane.state == "no platform":
            # `cancel --route` also cancels what waits for another platform
            is_alone = lanes_of[lane.route] == 1 and not now.blocked.get(lane.route)
            cancel = (
                advise(name_command("cancel", route=lane.route))
                if is_alone
                else advise(
                    "cancel by id what ",
                    name_command("deliveries", route=lane.route, status="queued", json=True),
                    f" lists with the platform {lane.platform}",
                )
            )
            yield Occurrence(
                f"{lane.queued} of route {lane.route} wait for platform {lane.platform}, which is"
                " not configured",
                advise("add it to routes.yaml, or ", cancel),
                f"{lane.route}:{lane.platform}",
            )


def find_late_queues(now: Overview) -> Iterator[Occurrence]:
    """Report routes whose due deliveries wait too long."""
    for lane in now.queue:
        if lane.state == "live" and now.at - lane.due_at > LATE_SECONDS:
            minutes = (now.at - lane.due_at) / 60
            yield Occurrence(
                f"deliveries of route {lane.route} are {minutes:.0f} min late",
                advise(name_command("show", lane.oldest_id), " says why"),
                f"{lane.route}:{lane.platform}",
            )


def find_unknown_outcomes(now: Overview) -> Iterator[Occurrence]:
    """Report deliveries that wait for a decision, or for a list of runs that cannot be read."""
    if now.held:
        wait = "waits" if now.held == 1 else "wait"
        why = "".join(
            f"; {undecided.problem}" for undecided in now.stuck if undecided.needs_decision
        )
        (do,) = find_common_steps([Need.DECISION], {})
        yield Occurrence(
            f"{format_deliveries(now.held, now.counted_to)} with an unknown outcome {wait} for a"
            f" person{why}",
            do,
        )
    for stuck in now.stuck:
        if (
            stuck.kind == "unreachable"
            and stuck.since is not None
            and now.at - stuck.since > FULL_SECONDS
        ):
            wait = "waits" if stuck.count == 1 else "wait"
            yield Occurrence(
                f"{format_deliveries(stuck.count, now.counted_to)} with an unknown outcome {wait}"
                f" since {format_clock(stuck.since)} for a list of runs; {stuck.problem}",
                Advice("check whether it is up; it is asked again automatically"),
                stuck.platform,
            )


def find_late_starts(now: Overview) -> Iterator[Occurrence]:
    """Report runs that a late answer named after their delivery had moved on."""
    for late_start in now.late_starts:
        do = (
            advise(name_command("cancel", late_start.delivery_id), ", or it is started again")
            if late_start.status in (Status.QUEUED, Status.BLOCKED)
            else "look at that run on the platform"
        )
        yield Occurrence(
            f"{late_start.delivery_id} is {late_start.status}, but its attempt {late_start.attempt}"
            f" has started run {late_start.run_id}, according to a late answer",
            advise(do, "; ", name_command("show", late_start.delivery_id)),
            late_start.delivery_id,
        )


def find_dead(now: Overview) -> Iterator[Occurrence]:
    """Report the deliveries that died within a day."""
    if now.dead_today:
        window = {"since": find_since(now.at, now.dead_received_at)}
        steps = (
            find_common_steps(map(need_of_dead, now.dead_kinds), window, now.parked_routes)
            if now.dead_kinds
            else []
        )
        yield Occurrence(
            f"{format_deliveries(now.dead_today, MAX_DEAD_TODAY)} died within a day",
            join_advice("; ", [name_command("deliveries", status="dead", **window), *steps]),
        )


def find_failing_runs(now: Overview) -> Iterator[Occurrence]:
    """Report routes with many failed runs within a day, or without a success since the last."""
    for route, runs in sorted(now.runs_ended.items()):
        window = {"route": route, "since": find_since(now.at, runs.received_at)}
        steps = find_common_steps([Need.FAILED], window)
        see = (
            name_command("show", runs.event_id)
            if runs.event_id
            else name_command("deliveries", run="failed", **window)
        )
        do = join_advice("; ", [see, *steps])
        if runs.failed and runs.failed >= FAILING_SHARE * runs.ended:
            ended = pluralize(runs.ended, "run")
            yield Occurrence(
                f"{runs.failed} of {ended} of route {route} failed within a day", do, route
            )
        elif runs.in_a_row and runs.is_live:
            last = "the last run" if runs.in_a_row == 1 else f"the last {runs.in_a_row} runs"
            yield Occurrence(
                f"{last} of route {route} failed, and none has succeeded since", do, route
            )
