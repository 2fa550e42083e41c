"""Next steps for a delivery: one table for all commands. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bridge.core.advice import Advice, Command, advise, name_command
from bridge.core.model import FAILED_RUN_STATES, DeadKind, Delivery, Status
from bridge.core.units import write_time
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
#: A part of a step: a text, or a function that returns the part for a delivery.
StepPart = str | Callable[[Delivery, DeliveryContext], str | Command | Advice]


def _fix(delivery: Delivery, context: DeliveryContext) -> str:
    """Return the change of routes.yaml that makes `replay` of use."""
    again = f"add the route {delivery.route} to routes.yaml again"
    return again if context.is_removed else "fix routes.yaml"


def _retry(delivery: Delivery, _: DeliveryContext) -> Command:
    return name_command("retry", delivery.id)


def _replay(delivery: Delivery, context: DeliveryContext) -> Advice:
    all_flows = ", which starts all flows of the route" if context.has_several_flows else ""
    return advise(name_command("replay", delivery.event_id, through=delivery.route), all_flows)


def _resolve(delivery: Delivery, _: DeliveryContext) -> Command:
    return name_command("resolve", delivery.id)


@dataclass(frozen=True, slots=True)
class CommonStep:
    """The next step for all deliveries with the same need: `fix`, then a command with filters."""

    fix: str
    words: str
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Steps:
    """The next steps for one delivery, a line each, and for all with the same need.

    `many` is None if such deliveries are not counted.
    """

    one: tuple[tuple[StepPart, ...], ...]
    many: CommonStep | None = None


STEPS: Final[Mapping[Need, Steps]] = {
    Need.PARKED: Steps(
        ((_fix, ", then ", _replay),),
        CommonStep("fix routes.yaml, then ", "replay", {"dead_kind": "config"}),
    ),
    Need.MISSPELT: Steps((("fix routes.yaml, then ", _replay),)),
    Need.CHANGED: Steps(
        ((_replay,), ("because its route has changed; retry sends the old inputs again",))
    ),
    Need.DEAD: Steps(
        (("fix the cause, then ", _retry), ("or ", _fix, ", then ", _replay)),
        CommonStep("fix the cause, then ", "retry", {"dead_kind": "platform"}),
    ),
    Need.FAILED: Steps(
        (("fix the flow, then ", _retry), ("or ", _fix, ", then ", _replay)),
        CommonStep("fix the flow, then ", "retry", {"run": "failed"}),
    ),
    Need.GIVEN_UP: Steps(((_retry,),)),
    Need.DECISION: Steps(((_resolve,),), CommonStep("", "resolve")),
}
MAX_NAMED_ROUTES: Final = 3  # with a step of their own
NEED_BY_DEAD_KIND: Final[Mapping[DeadKind | None, Need]] = {
    DeadKind.OURS: Need.PARKED,
    DeadKind.PERSON: Need.GIVEN_UP,
}


def is_retried(delivery: Delivery) -> bool:
    """Return whether `flowbridge retry` applies: its run failed, or it is dead and was sent."""
    if delivery.status is Status.DEAD:
        return delivery.dead_kind is not DeadKind.OURS
    return delivery.status is Status.DELIVERED and delivery.run_state in FAILED_RUN_STATES


def find_need(delivery: Delivery, context: DeliveryContext = NO_CONTEXT) -> Need | None:
    """Return what a delivery needs from an operator, or None if it needs nothing."""
    if delivery.status is Status.UNKNOWN:
        is_stuck = context.obstacle is not None and context.obstacle.needs_decision
        return Need.DECISION if delivery.look_at is None or is_stuck else None
    is_parked = delivery.status is Status.DEAD and delivery.dead_kind is DeadKind.OURS
    if context.is_replaced or not (is_parked or is_retried(delivery)):
        return None
    if is_parked:
        return Need.PARKED
    if context.is_misspelt:
        return Need.MISSPELT
    if context.is_changed:
        return Need.CHANGED
    return (
        NEED_BY_DEAD_KIND.get(delivery.dead_kind, Need.DEAD)
        if delivery.status is Status.DEAD
        else Need.FAILED
    )


def find_steps(
    delivery: Delivery, context: DeliveryContext, now: float, confirm_seconds: float
) -> list[Advice]:
    """Return the next steps for a delivery, a line each; an empty list if there are none."""
    need = find_need(delivery, context)
    steps = find_settling_steps(delivery, context.obstacle, now, confirm_seconds)
    before = "or decide: " if steps else ""
    for parts in STEPS[need].one if need is not None else ():
        filled = [part if isinstance(part, str) else part(delivery, context) for part in parts]
        steps.append(advise(before, *filled))
    if delivery.holds_key and delivery.status is Status.DEAD:
        cancel = name_command("cancel", delivery.id)
        steps.append(advise("or ", cancel, ", which releases the deliveries behind it"))
    return steps


def find_common_steps(
    needs: Iterable[Need], window: Mapping[str, str], parked_routes: Sequence[str] = ()
) -> list[Advice]:
    """Return the next steps for many deliveries by their needs.

    `window`: the filters that select them. `parked_routes`: the routes of those that are parked,
    the first of which are named, since each is replayed once it is fixed.
    """
    needed = set(needs)
    routes_of = {Need.PARKED: parked_routes}
    return [
        step
        for need, steps in STEPS.items()
        if need in needed and steps.many is not None
        for step in _repeat_by_route(steps.many, window, routes_of.get(need, ()))
    ]


def _repeat_by_route(
    step: CommonStep, window: Mapping[str, str], routes: Sequence[str]
) -> Iterator[Advice]:
    """Yield a step for each of the first routes, then for all, if they are more."""

    def name(**route: str) -> Command:
        return name_command(step.words, **step.filters, **route, **window)

    if not routes:
        yield advise(step.fix, name())
        return
    for number, route in enumerate(routes[:MAX_NAMED_ROUTES]):
        yield advise("" if number else step.fix, name(route=route))
    if len(routes) > MAX_NAMED_ROUTES:
        yield advise(f"or of all {len(routes)} routes: ", name())


def need_of_dead(kind: str | None) -> Need:
    """Return what dead deliveries of a kind need, by its value in the database."""
    return NEED_BY_DEAD_KIND.get(DeadKind(kind) if kind else None, Need.DEAD)


def find_settling_steps(
    delivery: Delivery, obstacle: Obstacle | None, now: float, confirm_seconds: float
) -> list[Advice]:
    """Return when flowbridge settles an unknown delivery, and what must be fixed before.

    The list is empty if flowbridge does not search for the run. `confirm_seconds`: the time until
    the second check, if the first finds no run.
    """
    if delivery.status is not Status.UNKNOWN or delivery.look_at is None:
        return []
    at = next_call(delivery.look_at, obstacle)
    if obstacle is None:
        is_second = (
            isinstance(delivery.evidence, dict) and delivery.evidence.get("empty_at") is not None
        )
        again = "" if is_second else f", and again {confirm_seconds:g} s later if no run is found"
        when = f"at {_clock(delivery.look_at)}" if delivery.look_at > now else "in a moment"
        settles = "nothing: flowbridge settles it from the platform's list of runs"
        return [Advice(f"{settles} ({when}{again})")]
    next_one = (
        ""
        if at is None
        else f"; it asks again at {_clock(at)}"
        if at > now
        else "; it asks again in a moment"
    )
    if obstacle.fix is None and not obstacle.needs_decision:
        return [
            Advice(f"nothing: flowbridge settles it automatically{next_one}"),
            Advice(f"so far, {obstacle.problem}"),
        ]
    return (
        [
            Advice(f"{obstacle.problem}:"),
            advise(obstacle.fix, f"; flowbridge then settles it{next_one}"),
        ]
        if obstacle.fix
        else []
    )


def _clock(at: float) -> str:
    return write_time(at, "%Y-%m-%dT%H:%M:%SZ")
