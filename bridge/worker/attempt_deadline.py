"""Deadlines of attempts: each call is made within the time of its attempt, or not at all.

A worker that takes over an attempt without an outcome relies on this: once the lease is lost and
the time is over, no call leaves any more. It looks for the run, and starts the flow again where
there is none. So a worker that was suspended meanwhile (with its machine, or by a signal) must not
make its calls late.

Both the wall clock and the boot clock have to be within the deadline, so setting a clock forward or
back gives no call more time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery
from bridge.core.outcomes import Outcome, OutcomeKind
from bridge.delivery.file_transfer import Send
from bridge.routing.model import Platform
from bridge.store.db.clock import DatabaseClock, boot_seconds
from bridge.store.queue.claim_round import Claim
from bridge.system.logs import get_logger

log = get_logger()

Deliver = Callable[[Delivery, Platform, Send, float], Outcome]
STOOD_STILL: Final = "the call was not made: this process was suspended until its lease was lost"
NOT_MADE: Final = Outcome(kind=OutcomeKind.REFUSED, detail=STOOD_STILL, ours=True, made=False)
FAULT: Final = Outcome(
    kind=OutcomeKind.UNKNOWN, detail="the call failed because of a bug in flowbridge", ours=True
)
TIME_OVER: Final = "the attempt ran out of time"


def make_attempt(
    claim: Claim,
    platform: Platform,
    deliver: Deliver,
    send: Send,
    now: DatabaseClock,
    lease_seconds: float,
    kept_at: float | None = None,
) -> Outcome:
    """Make the attempt of a claim and return its outcome. Nothing is raised.

    `kept_at`: the boot clock when the lease was last extended, None if never since the claim.
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
    """Return how many of the seconds since the intent are left, by the clock with fewer left."""
    return min(claim.began_at + seconds - now, _began(claim) + seconds - boot_seconds())


def _lease_left(claim: Claim, now: float, lease_seconds: float, kept_at: float | None) -> float:
    """Return for how many seconds the lease is certainly held."""
    kept = 0.0 if kept_at is None else max(0.0, kept_at - _began(claim))
    return _left(claim, kept + lease_seconds, now)


def _began(claim: Claim) -> float:
    """Return the boot clock at the intent; where it was not read, its time now, so that the wall
    clock decides.
    """
    return (
        boot_seconds()
        if claim.clocks is None or claim.clocks.boot_clock is None
        else claim.clocks.boot_clock
    )


def _in_time(send: Send, claim: Claim, timeout: float, now: DatabaseClock) -> Send:
    """Return a `send` whose calls all end within `timeout` seconds of the attempt's intent."""

    def bounded(call: Call, seconds: float) -> Answer | NoAnswer:
        left = _left(claim, timeout, now())
        return send(call, min(seconds, left)) if left > 0 else NoAnswer(TIME_OVER, sent=False)

    return bounded
