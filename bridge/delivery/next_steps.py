"""Next steps for a delivery: one table for all commands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.core.model import FAILED_RUN_STATES, DeadKind, Delivery, Status
from bridge.core.times import write_time
from bridge.delivery.obstacles import Obstacle, next_call


class Need(StrEnum):
    """The action that a delivery needs from an operator."""

    PARKED = "parked"  #: planning refused it: it is never sent
    #: its run failed or it is dead, and an input looks misspelt in routes.yaml
    MISSPELT = "misspelt"
    CHANGED = "changed"  #: the same, and its route has changed since
    DEAD = "dead"  #: the platform refused it, or the attempts are used up
    FAILED = "failed"  #: its run failed
    GIVEN_UP = "given up"  #: by a person
    DECISION = "decision"  #: its outcome is unknown, and flowbridge does not look for its run


@dataclass(frozen=True, slots=True)
class Steps:
    """The next steps for one delivery, a line each, and for all with the same need.

    `many` is None if such deliveries are not counted. Names in braces: `retry`, `replay` and
    `resolve` are commands for the delivery, `fix` the change of routes.yaml that makes `replay` of
    use, `window` the filters that select many.
    """

    one: tuple[str, ...]
    many: str | None = None


STEPS: Final[Mapping[Need, Steps]] = {
    Need.PARKED: Steps(
        ("{fix}, then {replay}",),
        "fix routes.yaml, then flowbridge replay --dead-kind config {window}",
    ),
    Need.MISSPELT: Steps(("fix routes.yaml, then {replay}",)),
    Need.CHANGED: Steps(
        ("{replay}", "because its route has changed; retry sends the old inputs again")
    ),
    Need.DEAD: Steps(
        ("fix the cause, then {retry}", "or {fix}, then {replay}"),
        "fix the cause, then flowbridge retry --dead-kind platform {window}",
    ),
    Need.FAILED: Steps(
        ("fix the flow, then {retry}", "or {fix}, then {replay}"),
        "fix the flow, then flowbridge retry --run failed {window}",
    ),
    Need.GIVEN_UP: Steps(("{retry}",)),
    Need.DECISION: Steps(("{resolve}",), "flowbridge resolve"),
}
MAX_NAMED_ROUTES: Final = 3  # with a step of their own
RELEASE_STEP: Final = "or flowbridge cancel {id}, which releases the deliveries behind it"
NEED_BY_DEAD_KIND: Final[Mapping[DeadKind | None, Need]] = {
    DeadKind.OURS: Need.PARKED,
    DeadKind.PERSON: Need.GIVEN_UP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryContext:
    """Facts about a delivery that are not in its record."""

    is_misspelt: bool = False  #: an input of it looks misspelt
    is_changed: bool = False  #: its route has changed since it was planned
    is_removed: bool = False  #: routes.yaml no longer has its route
    is_replaced: bool = False  #: a replay has planned its event through its route again
    has_several_flows: bool = False  #: its route starts several flows
    obstacle: Obstacle | None = None  #: prevents the search for its run


NO_CONTEXT: Final = DeliveryContext()


def is_retried(one: Delivery) -> bool:
    """Return whether `flowbridge retry` applies: its run failed, or it is dead and was sent."""
    if one.status is Status.DEAD:
        return one.dead_kind is not DeadKind.OURS
    return one.status is Status.DELIVERED and one.run_state in FAILED_RUN_STATES


def find_need(one: Delivery, known: DeliveryContext = NO_CONTEXT) -> Need | None:
    """Return what a delivery needs from an operator, or None if it needs nothing."""
    if one.status is Status.UNKNOWN:
        is_stuck = known.obstacle is not None and known.obstacle.needs_decision
        return Need.DECISION if one.look_at is None or is_stuck else None
    is_parked = one.status is Status.DEAD and one.dead_kind is DeadKind.OURS
    if known.is_replaced or not (is_parked or is_retried(one)):
        return None
    if is_parked:
        return Need.PARKED
    if known.is_misspelt:
        return Need.MISSPELT
    if known.is_changed:
        return Need.CHANGED
    return (
        NEED_BY_DEAD_KIND.get(one.dead_kind, Need.DEAD)
        if one.status is Status.DEAD
        else Need.FAILED
    )


def find_steps(
    one: Delivery, known: DeliveryContext, now: float, confirm_seconds: float
) -> list[str]:
    """Return the next steps for a delivery, a line each; an empty list if there are none."""
    need = find_need(one, known)
    before = find_settling_steps(one, known.obstacle, now, confirm_seconds)
    steps = (
        [step.format(**_commands(one, known)) for step in STEPS[need].one]
        if need is not None
        else []
    )
    release = (
        [RELEASE_STEP.format(id=one.id)] if one.holds_key and one.status is Status.DEAD else []
    )
    return [*before, *(f"or decide: {step}" if before else step for step in steps), *release]


def find_common_steps(
    needs: Iterable[Need], window: str, parked_routes: Sequence[str] = ()
) -> list[str]:
    """Return the next steps for many deliveries by their needs.

    `window`: the filters that select them. `parked_routes`: the routes of those that are parked,
    the first of which are named, since each is replayed once it is fixed.
    """
    needed = set(needs)
    routes_of = {Need.PARKED: parked_routes}
    return [
        text
        for need, steps in STEPS.items()
        if need in needed and steps.many is not None
        for text in _repeat_by_route(steps.many, window, routes_of.get(need, ()))
    ]


def _repeat_by_route(step: str, window: str, routes: Sequence[str]) -> Iterator[str]:
    """Yield a step for each of the first routes, then for all, if they are more."""
    if not routes:
        yield step.format(window=window)
        return
    command = step.rpartition(", then ")[2]
    for number, route in enumerate(routes[:MAX_NAMED_ROUTES]):
        yield (command if number else step).format(window=f"--route {route} {window}")
    if len(routes) > MAX_NAMED_ROUTES:
        yield f"or of all {len(routes)} routes: {command.format(window=window)}"


def need_of_dead(kind: str | None) -> Need:
    """Return what dead deliveries of a kind need, by its value in the database."""
    return NEED_BY_DEAD_KIND.get(DeadKind(kind) if kind else None, Need.DEAD)


def _commands(one: Delivery, known: DeliveryContext) -> dict[str, str]:
    all_flows = ", which starts all flows of the route" if known.has_several_flows else ""
    again = f"add the route {one.route} to routes.yaml again"
    return {
        "fix": again if known.is_removed else "fix routes.yaml",
        "retry": f"flowbridge retry {one.id}",
        "replay": f"flowbridge replay {one.event_id} --through {one.route}{all_flows}",
        "resolve": f"flowbridge resolve {one.id}",
    }


def find_settling_steps(
    one: Delivery, obstacle: Obstacle | None, now: float, confirm_seconds: float
) -> list[str]:
    """Return when flowbridge settles an unknown delivery, and what must be fixed before.

    The list is empty if flowbridge does not search for the run. `confirm_seconds`: the time until
    the second check, if the first finds no run.
    """
    if one.status is not Status.UNKNOWN or one.look_at is None:
        return []
    at = next_call(one.look_at, obstacle)
    if obstacle is None:
        is_second = isinstance(one.evidence, dict) and one.evidence.get("empty_at") is not None
        again = "" if is_second else f", and again {confirm_seconds:g} s later if no run is found"
        when = f"at {_clock(one.look_at)}" if one.look_at > now else "in a moment"
        return [f"nothing: flowbridge settles it from the platform's list of runs ({when}{again})"]
    next_one = (
        ""
        if at is None
        else f"; it asks again at {_clock(at)}"
        if at > now
        else "; it asks again in a moment"
    )
    if obstacle.fix is None and not obstacle.needs_decision:
        return [
            f"nothing: flowbridge settles it automatically{next_one}",
            f"so far, {obstacle.problem}",
        ]
    return (
        [f"{obstacle.problem}:", f"{obstacle.fix}; flowbridge then settles it{next_one}"]
        if obstacle.fix
        else []
    )


def _clock(at: float) -> str:
    return write_time(at, "%Y-%m-%dT%H:%M:%SZ")
