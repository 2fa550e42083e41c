"""A call is made in the time of its attempt, or not at all.

Whoever takes over an attempt without an outcome goes by that nothing leaves any more once the lease
is lost and the time is over: the run is looked for then, and where there is none the flow is
started again. So a worker that stood still meanwhile (a machine that was suspended, a process that
was stopped) must not go on where it was.

Both the wall clock and the boot clock have to be in time, so a clock that is set, forward or back,
gives no call more time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.core.http_messages import Answer, Call, Lost
from bridge.core.model import Delivery, Kind, Outcome
from bridge.delivery.file_transfer import Send
from bridge.routing.model import Platform
from bridge.store.db.clock import Clock, elapsed
from bridge.store.queue.claims import Claim
from bridge.system.logs import get_logger

log = get_logger()

Deliver = Callable[[Delivery, Platform, Send, float], Outcome]
STOOD_STILL: Final = "the call was not made: this process stood still until its lease was lost"
NOT_MADE: Final = Outcome(kind=Kind.REFUSED, detail=STOOD_STILL, ours=True, made=False)
FAULT: Final = Outcome(
    kind=Kind.UNKNOWN, detail="the call failed by a fault of flowbridge's own", ours=True
)
TIME_OVER: Final = "the time of the attempt was over"


def make_attempt(
    claim: Claim,
    platform: Platform,
    deliver: Deliver,
    send: Send,
    now: Clock,
    lease_seconds: float,
    kept_at: float | None = None,
) -> Outcome:
    """Make the attempt of a claim and return what came of it. Nothing is raised.

    `kept_at`: what the boot clock showed when the lease was last extended; null where that was not
    done since the claim.
    """
    try:
        at = now()
        if (
            _left(claim, platform.timeout, at) <= 0
            or _lease_left(claim, at, lease_seconds, kept_at) <= 0
        ):
            return NOT_MADE
        return deliver(claim.delivery, platform, _in_time(send, claim, platform.timeout, now), at)
    except Exception as fault:
        log.error("call_failed", delivery_id=claim.delivery.id, exc_info=fault)
        return FAULT


def _left(claim: Claim, seconds: float, now: float) -> float:
    """Return how many of these seconds since the intent are left, by the clock that leaves
    fewer.
    """
    return min(claim.began_at + seconds - now, _began(claim) + seconds - elapsed())


def _lease_left(claim: Claim, now: float, lease_seconds: float, kept_at: float | None) -> float:
    """Return for how many seconds the lease is surely held."""
    kept = 0.0 if kept_at is None else max(0.0, kept_at - _began(claim))
    return _left(claim, kept + lease_seconds, now)


def _began(claim: Claim) -> float:
    """Return what the boot clock showed at the intent; where that was not read, now, which leaves
    it to the other clock.
    """
    return (
        elapsed()
        if claim.clocks is None or claim.clocks.boot_clock is None
        else claim.clocks.boot_clock
    )


def _in_time(send: Send, claim: Claim, timeout: float, now: Clock) -> Send:
    """Return what makes the calls of an attempt, so that all of them end within `timeout` seconds
    of its intent.
    """

    def bounded(call: Call, seconds: float) -> Answer | Lost:
        left = _left(claim, timeout, now())
        return send(call, min(seconds, left)) if left > 0 else Lost(TIME_OVER, sent=False)

    return bounded
