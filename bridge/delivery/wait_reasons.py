"""Why a delivery is not sent yet: the first reason that a worker would find. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery, Status
from bridge.core.plurals import pluralize
from bridge.core.rate_limits import DAY, allowed_starts, day_of
from bridge.core.times import write_time
from bridge.delivery.circuit_breaker import count_free_slots
from bridge.delivery.obstacles import IN_ENV, Obstacle, PlatformState, find_obstacle, next_call
from bridge.delivery.wait_context import Wait, WaitContext

MAX_COUNTED_AHEAD: Final = 1000  # deliveries that go before one, counted as far as that


def find_wait_reason(one: Delivery, around: WaitContext, now: float) -> Wait | None:
    """Return what keeps a delivery, null for one that does not wait. What a person has to change
    comes before what passes by itself.
    """
    if one.status is Status.BLOCKED:
        return _ordering_wait(around)
    if one.status is Status.UNKNOWN:
        return _unknown_wait(one, around, now)
    if one.status is not Status.QUEUED:
        return None
    by_itself = (
        _schedule_wait(one, now)
        or _worker_wait(around)
        or _platform_wait(one, around, now)
        or _route_wait(one, around, now)
    )
    return _hold_wait(around) or _config_wait(one, around) or by_itself


def _ordering_wait(around: WaitContext) -> Wait:
    if around.head is None:
        return Wait(
            kind="line", detail="it is sent next: no earlier delivery of its key is waiting"
        )
    others = (
        f", after {_count(around.before)} other{'' if around.before == 1 else 's'}"
        if around.before
        else ""
    )
    return Wait(
        kind="line",
        detail=f"behind {around.head.id}{others}: that one {_describe_head(around.head)}",
        behind=around.head.id,
    )


def _describe_head(head: Delivery) -> str:
    """What the head of a line holds it by."""
    if head.status is Status.DEAD:
        return "is dead and holds the line (on_dead: block) until it is retried or cancelled"
    if head.status is Status.UNKNOWN:
        return "is unknown, and has to be settled first"
    if head.status is Status.DELIVERED:
        return "has started, and its run has not ended"
    return f"is {head.status}"


def find_list_obstacle(one: Delivery, around: WaitContext, now: float) -> Obstacle | None:
    """Return what keeps the run of an unknown delivery from being looked for; null where nothing
    does, or flowbridge does not look.
    """
    if one.status is not Status.UNKNOWN or around.look_at is None:
        return None
    setting = PlatformState(
        is_configured=around.is_configured,
        has_platform=around.cap is not None,
        missing=around.missing,
        circuit=around.circuit,
        workers=around.workers,
    )
    return find_obstacle(one.platform, one.evidence, setting, now)


def _unknown_wait(one: Delivery, around: WaitContext, now: float) -> Wait:
    if around.look_at is None:
        return Wait(
            kind="unknown", detail=f"whether it started is not known: flowbridge resolve {one.id}"
        )
    obstacle = find_list_obstacle(one, around, now)
    at = next_call(around.look_at, obstacle)
    until = at if at is not None and at > now else None
    if obstacle is not None:
        return Wait(
            kind="unknown",
            detail=f"whether it started is not known; {obstacle.problem}",
            until=until,
            obstacle=obstacle,
        )
    when = "the platform's list of runs is looked through" + (
        " at once" if until is None else " then"
    )
    detail = (
        f"whether it started is not known; {when}. flowbridge resolve is only for what stays"
        " unknown"
    )
    return Wait(kind="unknown", detail=detail, until=until)


def _hold_wait(around: WaitContext) -> Wait | None:
    if around.hold is None:
        return None
    return Wait(
        kind="hold", detail=f"nothing is started, since {around.hold}: flowbridge db release"
    )


def _config_wait(one: Delivery, around: WaitContext) -> Wait | None:
    if not around.is_configured:
        return None
    if around.cap is None:
        return Wait(
            kind="platform", detail=f"routes.yaml no longer has the platform {one.platform!r}"
        )
    if around.missing is not None:
        return Wait(
            kind="platform",
            detail=f"the platform {one.platform!r} cannot be called: {around.missing}. Next: set"
            f" it {IN_ENV}",
        )
    if around.circuit is not None and around.circuit.is_unauthorized:
        return _unauthorized(one, around.circuit)
    if around.absent is not None or around.lacks_own:
        return Wait(kind="flow", detail=_missing_flow(one, around.absent))
    return (
        Wait(kind="paused", detail=f"the route {one.route!r} is paused")
        if around.is_paused
        else None
    )


def _missing_flow(one: Delivery, absent: str | None) -> str:
    if absent is not None:
        return (
            f"the route {one.route!r} names the flow {absent!r}, which the local platform does not"
            " have. Next: put it back into flows.py, or see flowbridge status"
        )
    do = (
        f"put it back into flows.py, or flowbridge cancel {one.id}, then flowbridge replay"
        f" {one.event_id}"
    )
    return (
        f"it was planned for the flow {one.saved_item_id!r}, which the local platform does not"
        f" have: {do}"
    )


def _unauthorized(one: Delivery, known: Circuit) -> Wait:
    why = f" ({known.reason})" if known.reason else ""
    do = "correct them in .env. Without a change one start is tried then"
    return Wait(
        kind="credentials",
        detail=f"{one.platform} refused the credentials{why}: {do}",
        until=known.open_until,
    )


def _schedule_wait(one: Delivery, now: float) -> Wait | None:
    if one.due_at <= now:
        return None
    if one.debounce is not None:
        most = (
            ""
            if one.due_at >= one.debounce.until
            else f", but no later than {_clock(one.debounce.until)}"
        )
        return Wait(
            kind="debounce",
            detail=f"a later event of its key would take its place; each puts it off{most}",
            until=one.due_at,
        )
    if one.attempts or one.throttled:
        return Wait(kind="retry", detail="its next attempt is due then", until=one.due_at)
    return Wait(kind="delay", detail="it is not due yet", until=one.due_at)


def _worker_wait(around: WaitContext) -> Wait | None:
    return (
        None
        if around.workers
        else Wait(
            kind="worker", detail="no worker is running: flowbridge serve, or flowbridge work"
        )
    )


def _platform_wait(one: Delivery, around: WaitContext, now: float) -> Wait | None:
    known = around.circuit
    if known is not None and known.state(now) == "open":
        why = f" ({known.reason})" if known.reason else ""
        return Wait(
            kind="circuit",
            detail=(
                f"{one.platform} failed {known.failures} times in a row{why}: its circuit is open"
            ),
            until=known.open_until,
        )
    if known is not None and now < known.not_before:
        return Wait(
            kind="circuit",
            detail=f"{one.platform} asked not to be called until then",
            until=known.not_before,
        )
    if (
        not around.is_configured
        or around.cap is None
        or count_free_slots(known, around.cap, around.used, now)
    ):
        return None
    if around.used >= around.cap:
        return Wait(
            kind="slots",
            detail=f"{_all(around.cap, 'slot')} of {one.platform} {_are(around.cap)} taken",
        )
    if known is not None and known.open_until is not None:
        return Wait(
            kind="circuit",
            detail=f"one start tries out whether {one.platform} answers again",
            until=known.probe_until,
        )
    until = known.raise_at if known is not None else None
    full = (
        f"{one.platform} says that it is full at {pluralize(around.used, 'run')}; one more is tried"
        " then"
    )
    return Wait(kind="allowance", detail=full, until=until)


def _route_wait(one: Delivery, around: WaitContext, now: float) -> Wait:
    limits = around.limits
    cap = around.limits.max_concurrent_runs
    if cap is not None and around.used_by_route >= cap:
        return Wait(
            kind="route",
            detail=(
                f"{_all(cap, 'run')} that the route {one.route!r} may have {_are(cap)} under way,"
                " or unknown"
            ),
        )
    today = around.pace.starts if around.pace.day == day_of(now) else 0
    if limits.max_runs_per_day is not None and today >= limits.max_runs_per_day:
        most = (
            f"the {pluralize(limits.max_runs_per_day, 'run')} a day of the route {one.route!r}"
            f" {_are(limits.max_runs_per_day)} used up"
        )
        return Wait(kind="day", detail=most, until=(day_of(now) + 1) * DAY)
    if limits.rate is not None and allowed_starts(limits, around.pace, now) == 0:
        return Wait(
            kind="pace",
            detail=(
                f"the route {one.route!r} starts at most {limits.rate.count} in"
                f" {limits.rate.per:g} s"
            ),
            until=around.pace.next_at,
        )
    if around.ahead:
        return Wait(
            kind="turn",
            detail=(
                f"{_count(around.ahead)} of its route {'goes' if around.ahead == 1 else 'go'}"
                " before it"
            ),
        )
    return Wait(kind="turn", detail="it is due, and goes next")


def _count(count: int) -> str:
    return str(count) if count < MAX_COUNTED_AHEAD else f"{MAX_COUNTED_AHEAD} or more"


def _all(count: int, one: str) -> str:
    return f"the only {one}" if count == 1 else f"all {count} {one}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _clock(at: float) -> str:
    return write_time(at, "%Y-%m-%dT%H:%M:%SZ")
