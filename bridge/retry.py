"""What follows from an attempt's outcome: the delivery's next status, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.model import Delivery, Kind, Outcome, Status

THROTTLE_FIRST = 0.5  # seconds to wait after the platform said that it is full; doubles with each time in a row
THROTTLE_MAX = 60.0
RETRY_AFTER_MAX = 3600.0  # a platform cannot put us off for longer than this


@dataclass(frozen=True, slots=True)
class Decision:
    """The status a delivery goes to, when it is due again, why, and whether the attempt counts against `retry.attempts`."""

    status: Status
    due_at: float
    reason: str | None = None
    spends: bool = True


def settle(delivery: Delivery, outcome: Outcome, now: float, jitter: float) -> Decision:
    """Decide what becomes of a delivery after an attempt.

    `delivery.attempts` counts the attempts spent before this one; `jitter` is a random number in [0, 1).
    """
    match outcome.kind:
        case Kind.STARTED:
            return Decision(Status.DELIVERED, now)
        case Kind.REJECTED:
            return Decision(Status.DEAD, now, outcome.detail)
        case Kind.THROTTLED:
            wait = _after(outcome, THROTTLE_FIRST * 2 ** min(delivery.throttled, 10) * (0.5 + jitter / 2), THROTTLE_MAX)
            return Decision(Status.QUEUED, now + wait, outcome.detail, spends=False)
        case Kind.UNKNOWN if delivery.on_unknown != "retry":
            return Decision(Status.UNKNOWN, now, outcome.detail)
    if delivery.attempts + 1 >= delivery.retry.attempts:
        return Decision(Status.DEAD, now, f"gave up after {delivery.attempts + 1} attempts: {outcome.detail}")
    return Decision(Status.QUEUED, now + _after(outcome, backoff(delivery, jitter), delivery.retry.max), outcome.detail)


def backoff(delivery: Delivery, jitter: float) -> float:
    """Return the wait before the next attempt in seconds: full jitter below an exponential ceiling.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter"); never under a tenth of the ceiling,
    so that a retry is never at once.
    """
    ceiling = min(delivery.retry.max, delivery.retry.first * 2.0 ** min(delivery.attempts, 40))
    return ceiling * max(0.1, jitter)


def _after(outcome: Outcome, wait: float, most: float) -> float:
    """The longer of our own wait and what the platform asked for."""
    asked = min(outcome.retry_after or 0.0, RETRY_AFTER_MAX)
    return max(asked, min(wait, most))
