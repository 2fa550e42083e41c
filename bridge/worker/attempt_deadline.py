"""Deadlines of attempts: each call is made within the time of its attempt, or not at all.

A worker that takes over an attempt without an outcome relies on this: once the lease is lost and
the time is over, no call leaves any more. It looks for the run, and starts the flow again where
there is none. So a worker that was suspended meanwhile (with its machine, or by a signal) must not
make its calls late.

Both the wall clock and the boot clock have to be within the deadline, so setting a clock forward or
back gives no call more time. The deadline is handed on as a moment of the boot clock, as far as the
look right before the write: a process that is stopped on the way does not make the call late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.file_transfer import Send
from bridge.delivery.unknown_outcomes import FAULT
from bridge.routing.model import Platform
from bridge.store.db.clock import DatabaseClock
from bridge.store.queue.claim_round import Claim
from bridge.system.boot_clock import Deadline, TimedSend, boot_seconds
from bridge.system.logs import get_logger

log = get_logger()

Deliver = Callable[[Delivery, Platform, Send, float], Outcome]
STOOD_STILL: Final = "the call was not made: this process was suspended until its lease was lost"
NOT_MADE: Final = Outcome(kind=OutcomeKind.REFUSED, detail=STOOD_STILL, ours=True, made=False)
TIME_OVER: Final = "the attempt ran out of time"


def make_attempt(
    claim: Claim,
    platform: Platform,
    deliver: Deliver,
    send: TimedSend,
    now: DatabaseClock,
    lease_seconds: float,
    kept_at: float | None = None,
) -> Outcome:
    """Make the attempt of a claim and return its outcome. Nothing is raised.

    `kept_at`: the boot clock when the lease was last extended, None if never since the claim.
    """
    try:
        at = now()
        kept = 0.0 if kept_at is None else max(0.0, kept_at - _began(claim))
        ends = [
            _deadline(claim, seconds, now) for seconds in (platform.timeout, kept + lease_seconds)
        ]
        if any(deadline.left() <= 0 for deadline in ends):
            return NOT_MADE
        return deliver(claim.delivery, platform, _in_time(send, claim, platform.timeout, now), at)
    except Exception as fault:
        log.error("call_failed", delivery_id=claim.delivery.id, exc_info=fault)
        return FAULT


def _deadline(claim: Claim, seconds: float, now: DatabaseClock) -> Deadline:
    """Return when so many seconds since the intent are over, by the clock that says so first.

    The boot clock is read first: a stop between the two readings takes time away and adds none.
    """
    boot_clock = boot_seconds()
    left = min(claim.began_at + seconds - now(), _began(claim) + seconds - boot_clock)
    return Deadline(boot_clock + left, seconds)


def _began(claim: Claim) -> float:
    """Return the boot clock at the intent; where it was not read, its time now, so that the wall
    clock decides.
    """
    return (
        boot_seconds()
        if claim.clocks is None or claim.clocks.boot_clock is None
        else claim.clocks.boot_clock
    )


def _in_time(send: TimedSend, claim: Claim, timeout: float, now: DatabaseClock) -> Send:
    """Return a `send` whose calls all end within `timeout` seconds of the attempt's intent."""

    def bounded(call: Call) -> Answer | NoAnswer:
        deadline = _deadline(claim, timeout, now)
        return send(call, deadline) if deadline.left() > 0 else NoAnswer(TIME_OVER, sent=False)

    return bounded
