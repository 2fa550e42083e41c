"""Records of a wait reason and of the facts that it depends on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery
from bridge.core.rate_limits import NO_LIMITS, Limits, RateState
from bridge.delivery.obstacles import Obstacle

UNPACED: Final = RateState()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The reason why a delivery waits: its kind and a sentence.

    `until`, `behind`: the time and the delivery that it waits for, if known. `obstacle`: what
    prevents the search for the run of an unknown delivery.
    """

    kind: str
    detail: str
    until: float | None = None
    behind: str | None = None
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitContext:
    """The facts that a wait reason depends on, from the store and routes.yaml."""

    cap: int | None = None  #: slots of the platform; None if routes.yaml has no such platform
    missing: str | None = None  #: why the platform cannot be called: a value that is not set
    absent: str | None = None  #: the flow of the route, if the local platform does not have it
    lacks_own: bool = False  #: the local platform does not have the delivery's flow
    #: routes.yaml can be used; else `cap`, `is_paused` and `limits` have no meaning
    is_configured: bool = True
    is_paused: bool = False
    limits: Limits = NO_LIMITS
    circuit: Circuit | None = None
    pace: RateState = UNPACED
    used: int = 0  #: slots of the platform that are taken
    used_by_route: int = 0  #: slots that its route has taken, also by unknown deliveries
    ahead: int = 0  #: due deliveries of its route that are sent before it
    workers: int = 1
    head: Delivery | None = None  #: the first unfinished delivery of its ordering key
    before: int = 0  #: deliveries of its ordering key between the head and this one
    look_at: float | None = None  #: when the platform's list of runs is searched for its run
    hold: str | None = None  #: why no run is started until an operator releases the hold
