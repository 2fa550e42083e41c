"""Why a delivery waits, and the facts that decide it. Pure."""

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
    """The facts that a wait reason depends on, from the store and routes.yaml.

    `cap`: the slots of its platform, null where routes.yaml has no such platform. `missing`: which
    value of the platform is not set.
    `absent`: the flow that its route names and that the local platform does not have. `lacks_own`:
    it does not have the delivery's own.
    `is_configured`: false where routes.yaml cannot be used, so that cap, `paused` and `limits` say
    nothing. `used`, `used_by_route`: the slots taken (of a route also by what is unknown).
    `ahead`: those of its route that are due and go before it. `head`: of its line, with `before`
    others between the two.
    `look_at`: when the platform is asked for its run. `hold`: why nothing at all is started, until
    a person lets it go.
    """

    cap: int | None = None
    missing: str | None = None
    absent: str | None = None
    lacks_own: bool = False
    is_configured: bool = True
    is_paused: bool = False
    limits: Limits = NO_LIMITS
    circuit: Circuit | None = None
    pace: RateState = UNPACED
    used: int = 0
    used_by_route: int = 0
    ahead: int = 0
    workers: int = 1
    head: Delivery | None = None
    before: int = 0
    look_at: float | None = None
    hold: str | None = None
