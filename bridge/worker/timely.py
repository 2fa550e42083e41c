"""A call is made in the time of its attempt, or not at all.

Whoever takes over an attempt without an outcome goes by that nothing leaves any more once the lease is lost and the time is over: the run
is looked for then, and where there is none the flow is started again. So a worker that stood still meanwhile (a machine that was
suspended, a process that was stopped) must not go on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.handing import Send
from bridge.logs import get_logger
from bridge.model import Answer, Call, Delivery, Kind, Lost, Outcome
from bridge.routes import Platform
from bridge.store import claims
from bridge.store.claims import Claim
from bridge.store.clock import Clock

log = get_logger()

Deliver = Callable[[Delivery, Platform, Send, float], Outcome]
STOOD_STILL: Final = "the call was not made: this process stood still until its lease was lost"
NOT_MADE: Final = Outcome(kind=Kind.REFUSED, detail=STOOD_STILL, ours=True, made=False)
FAULT: Final = Outcome(kind=Kind.UNKNOWN, detail="the call failed by a fault of flowbridge's own", ours=True)
OVER: Final = "the time of the attempt was over"


def attempt(claim: Claim, platform: Platform, deliver: Deliver, send: Send, now: Clock, kept_at: float) -> Outcome:
    """Make the attempt of a claim whose lease was last extended at `kept_at`, and return what came of it. Nothing is raised."""
    try:
        if not _may_begin(claim, platform.timeout, at := now(), kept_at):
            return NOT_MADE
        return deliver(claim.delivery, platform, _in_time(send, claim, platform.timeout, now), at)
    except Exception as fault:
        log.error("call_failed", delivery_id=claim.delivery.id, exc_info=fault)
        return FAULT


def _may_begin(claim: Claim, timeout: float, now: float, kept_at: float) -> bool:
    """Whether its time is not over, and its lease not lost."""
    return now < min(claim.began_at + timeout, max(claim.began_at, kept_at) + claims.LEASE)


def _in_time(send: Send, claim: Claim, timeout: float, now: Clock) -> Send:
    """Return what makes the calls of an attempt, so that all of them end within `timeout` seconds of its intent."""

    def bounded(call: Call, seconds: float) -> Answer | Lost:
        left = claim.began_at + timeout - now()
        return send(call, min(seconds, left)) if left > 0 else Lost(OVER, sent=False)

    return bounded
