"""Wait reasons: why a delivery is not sent yet. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.advice import Advice, Command, advise, name_command
from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery, Status
from bridge.core.rate_limits import allowed_starts, day_of
from bridge.core.text import pluralize
from bridge.core.units import DAY, write_time
from bridge.delivery.circuit_breaker import count_free_slots
from bridge.delivery.obstacles import (
    IN_ENV,
    START_WORKER,
    Obstacle,
    PlatformState,
    find_obstacle,
    next_call,
)
from bridge.delivery.wait_context import Wait, WaitContext

UNCONFIRMED_START: Final = "it is not known whether the run started"
MAX_COUNTED_AHEAD: Final = 1000  # deliveries ahead of one; more are not counted


def find_wait_reason(delivery: Delivery, around: WaitContext, now: float) -> Wait | None:
    """Return why a delivery waits, or None if it does not.

    A reason that a person must remove comes before one that passes by itself.
    """
    if delivery.status is Status.BLOCKED:
        return _ordering_wait(around)
    if delivery.status is Status.UNKNOWN:
        return _unknown_wait(delivery, around, now)
    if delivery.status is not Status.QUEUED:
        return None
    by_itself = (
        _schedule_wait(delivery, now)
        or _worker_wait(around)
        or _platform_wait(delivery, around, now)
        or _route_wait(delivery, around, now)
    )
    return _hold_wait(around) or _config_wait(delivery, around) or by_itself


def _ordering_wait(around: WaitContext) -> Wait:
    if around.head is None:
        return Wait(
            kind="line", detail="it is sent next: no earlier delivery of its key is waiting"
        )
    head = around.head.id
    others = f"{_count(around.before)} other{'' if around.before == 1 else 's'}"
    behind = f"{head} and {others}; {head}" if around.before else f"{head}, which"
    return Wait(kind="line", detail=f"behind {behind} {_describe_head(around.head)}", behind=head)


def _describe_head(head: Delivery) -> str:
    """Return how the first delivery of an ordering key blocks the others."""
    if head.status is Status.DEAD:
        return (
            "is dead and blocks its ordering key (on_dead: block) until it is retried or cancelled"
        )
    if head.status is Status.UNKNOWN:
        return "is unknown and must be settled first"
    if head.status is Status.DELIVERED:
        return "has started, and its run has not ended"
    return f"is {head.status}"


def find_list_obstacle(delivery: Delivery, around: WaitContext, now: float) -> Obstacle | None:
    """Return the obstacle to the search for the run of an unknown delivery.

    None if there is no obstacle, or if flowbridge does not search.
    """
    if delivery.status is not Status.UNKNOWN or around.look_at is None:
        return None
    setting = PlatformState(
        is_configured=around.is_configured,
        has_platform=around.cap is not None,
        missing=around.missing,
        circuit=around.circuit,
        workers=around.workers,
    )
    return find_obstacle(delivery.platform, delivery.evidence, setting, now)


def _unknown_wait(delivery: Delivery, around: WaitContext, now: float) -> Wait:
    if around.look_at is None:
        return Wait(
            kind="unknown",
            detail=_add_step(UNCONFIRMED_START, name_command("resolve", delivery.id)),
        )
    obstacle = find_list_obstacle(delivery, around, now)
    at = next_call(around.look_at, obstacle)
    until = at if at is not None and at > now else None
    if obstacle is not None:
        return Wait(
            kind="unknown",
            detail=f"{UNCONFIRMED_START}; {obstacle.problem}",
            until=until,
            obstacle=obstacle,
        )
    when = "now" if until is None else "later"
    detail = (
        f"{UNCONFIRMED_START}; flowbridge searches the platform's list of runs {when}. Use"
        f" {name_command('resolve')} only if it stays unknown"
    )
    return Wait(kind="unknown", detail=detail, until=until)


def _hold_wait(around: WaitContext) -> Wait | None:
    if around.hold is None:
        return None
    return Wait(
        kind="hold",
        detail=_add_step(f"no run is started, since {around.hold}", name_command("db release")),
    )


def _config_wait(delivery: Delivery, around: WaitContext) -> Wait | None:
    if not around.is_configured:
        return None
    if around.cap is None:
        return Wait(
            kind="platform", detail=f"routes.yaml no longer has the platform {delivery.platform!r}"
        )
    if around.missing is not None:
        return Wait(
            kind="platform",
            detail=f"the platform {delivery.platform!r} cannot be called: {around.missing}; next"
            f" step: set it {IN_ENV}",
        )
    if around.circuit is not None and around.circuit.is_unauthorized:
        return _unauthorized(delivery, around.circuit)
    if around.absent is not None or around.lacks_own:
        return Wait(kind="flow", detail=_missing_flow(delivery, around.absent))
    return (
        Wait(kind="paused", detail=f"the route {delivery.route!r} is paused")
        if around.is_paused
        else None
    )


def _missing_flow(delivery: Delivery, absent: str | None) -> str:
    if absent is not None:
        return (
            f"the route {delivery.route!r} names the flow {absent!r}, which the local platform does"
            f" not have; next step: restore it in flows.py, or see {name_command('status')}"
        )
    return _add_step(
        f"it was planned for the flow {delivery.saved_item_id!r}, which the local platform does not"
        " have",
        "restore it in flows.py, or ",
        name_command("cancel", delivery.id),
        ", then ",
        name_command("replay", delivery.event_id, through=delivery.route),
    )


def _add_step(reason: str, *step: str | Command | Advice) -> str:
    """Return a reason with the next step."""
    return advise(reason, "; next step: ", *step).sentence


def _unauthorized(delivery: Delivery, circuit: Circuit) -> Wait:
    why = f" ({circuit.reason})" if circuit.reason else ""
    do = "correct them in .env, which flowbridge tests with one start from time to time"
    return Wait(
        kind="credentials",
        detail=f"{delivery.platform} refused the credentials{why}; next step: {do}",
        until=circuit.open_until,
    )


def _schedule_wait(delivery: Delivery, now: float) -> Wait | None:
    if delivery.due_at <= now:
        return None
    if delivery.debounce is not None:
        latest = (
            ""
            if delivery.due_at >= delivery.debounce.until
            else f", at most until {_clock(delivery.debounce.until)}"
        )
        return Wait(
            kind="debounce",
            detail=f"a later event of its key replaces it and delays it again{latest}",
            until=delivery.due_at,
        )
    if delivery.attempts or delivery.throttled:
        return Wait(kind="retry", detail="it waits for its next attempt", until=delivery.due_at)
    return Wait(kind="delay", detail="it is not due yet", until=delivery.due_at)


def _worker_wait(around: WaitContext) -> Wait | None:
    return (
        None
        if around.workers
        else Wait(
            kind="worker",
            detail=_add_step("no worker is running", START_WORKER),
        )
    )


def _platform_wait(delivery: Delivery, around: WaitContext, now: float) -> Wait | None:
    circuit = around.circuit
    if circuit is not None and circuit.state(now) == "open":
        why = f" ({circuit.reason})" if circuit.reason else ""
        return Wait(
            kind="circuit",
            detail=(
                f"{delivery.platform} failed {circuit.failures} times in a row{why}: its"
                " circuit is open"
            ),
            until=circuit.open_until,
        )
    if circuit is not None and now < circuit.not_before:
        return Wait(
            kind="circuit",
            detail=f"{delivery.platform} asked not to be called for a while",
            until=circuit.not_before,
        )
    if (
        not around.is_configured
        or around.cap is None
        or count_free_slots(circuit, around.cap, around.used, now)
    ):
        return None
    if around.used >= around.cap:
        return Wait(
            kind="slots",
            detail=f"{_all(around.cap, 'slot')} of {delivery.platform} {_are(around.cap)} taken",
        )
    if circuit is not None and circuit.open_until is not None:
        return Wait(
            kind="circuit",
            detail=f"one start tests whether {delivery.platform} answers again",
            until=circuit.probe_until,
        )
    until = circuit.raise_at if circuit is not None else None
    full = (
        f"{delivery.platform} reported that it is full at {pluralize(around.used, 'run')};"
        " flowbridge tries one more later"
    )
    return Wait(kind="allowance", detail=full, until=until)


def _route_wait(delivery: Delivery, around: WaitContext, now: float) -> Wait:
    limits = around.limits
    cap = around.limits.max_concurrent_runs
    if cap is not None and around.used_by_route >= cap:
        return Wait(
            kind="route",
            detail=(
                f"the route {delivery.route!r} has reached its limit of {pluralize(cap, 'run')} at"
                " a time (running or unknown)"
            ),
        )
    today = around.pace.starts if around.pace.day == day_of(now) else 0
    if limits.max_runs_per_day is not None and today >= limits.max_runs_per_day:
        reason = (
            f"the route {delivery.route!r} has reached its limit of"
            f" {pluralize(limits.max_runs_per_day, 'run')} a day"
        )
        return Wait(kind="day", detail=reason, until=(day_of(now) + 1) * DAY)
    if limits.rate is not None and allowed_starts(limits, around.pace, now) == 0:
        return Wait(
            kind="pace",
            detail=(
                f"the route {delivery.route!r} starts at most {limits.rate.count} in"
                f" {limits.rate.per:g} s"
            ),
            until=around.pace.next_at,
        )
    if around.ahead:
        return Wait(
            kind="turn",
            detail=(
                f"{_count(around.ahead)} {'delivery' if around.ahead == 1 else 'deliveries'} of its"
                f" route {_are(around.ahead)} ahead of it"
            ),
        )
    return Wait(kind="turn", detail="it is due and is sent next")


def _count(count: int) -> str:
    return str(count) if count < MAX_COUNTED_AHEAD else f"{MAX_COUNTED_AHEAD} or more"


def _all(count: int, noun: str) -> str:
    return f"the only {noun}" if count == 1 else f"all {count} {noun}s"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _clock(at: float) -> str:
    return write_time(at, "%Y-%m-%dT%H:%M:%SZ")
