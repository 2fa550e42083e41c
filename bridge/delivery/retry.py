"""Retry policy: the delivery's next status after an attempt or a run. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.model import Delivery, Retry, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.text import pluralize
from bridge.delivery.platforms.responses import RETRY_AFTER_MAX_SECONDS
from bridge.delivery.unknown_outcomes import stays_unknown


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """The next status of a delivery, when it is due, and the reason.

    `spends`: the attempt counts against `retry.attempts`.
    """

    status: Status
    due_at: float
    reason: str | None = None
    spends: bool = True


def decide_after_attempt(
    delivery: Delivery, outcome: Outcome, now: float, jitter: float
) -> RetryDecision:
    """Return the decision about a delivery after an attempt.

    `delivery.attempts` counts the attempts spent before this one; `jitter` is a random number in
    [0, 1).
    """
    match outcome.kind:
        case OutcomeKind.STARTED:
            return RetryDecision(Status.DELIVERED, now)
        case OutcomeKind.REJECTED:
            return RetryDecision(Status.DEAD, now, outcome.detail)
        case OutcomeKind.THROTTLED | OutcomeKind.UNAUTHORIZED:
            # The circuit decides when it is sent. After a 429 it keeps its place, even if the clock
            # was ahead. After a 401 it goes behind the other due deliveries, so that the
            # next probe is another one.
            due_at = min(delivery.due_at, now) if outcome.kind is OutcomeKind.THROTTLED else now
            return RetryDecision(Status.QUEUED, due_at, outcome.detail, spends=False)
        case OutcomeKind.UNKNOWN if stays_unknown(delivery, outcome):
            return RetryDecision(Status.UNKNOWN, now, outcome.detail)
    if outcome.made and delivery.attempts + 1 >= delivery.retry.attempts:
        return RetryDecision(
            Status.DEAD,
            now,
            f"gave up after {pluralize(delivery.attempts + 1, 'attempt')}: {outcome.detail}",
        )
    due_at = now + _retry_wait(outcome, backoff(delivery, jitter), delivery.retry.max)
    return RetryDecision(Status.QUEUED, due_at, outcome.detail, spends=outcome.made)


def decide_after_run(
    delivery: Delivery, report: RunReport, now: float, jitter: float
) -> RetryDecision:
    """Return the decision about a delivery whose run has ended.

    A failed run is handled by `on_run_failed`. A terminated run is not started again: it was ended
    on purpose.
    """
    if report.state is RunState.DONE or delivery.on_run_failed == "ignore":
        return RetryDecision(Status.DELIVERED, now)
    said = f": {report.log[-1]}" if report.log else ""
    if delivery.on_run_failed == "retry" and report.state is RunState.FAILED:
        if delivery.reruns < delivery.run_retries:
            wait = _full_jitter(delivery.retry, delivery.reruns, jitter)
            return RetryDecision(
                Status.QUEUED, now + wait, f"its run failed, and another follows{said}"
            )
        return RetryDecision(
            Status.DEAD,
            now,
            f"gave up after {pluralize(delivery.reruns + 1, 'run')} that failed{said}",
        )
    ended = "failed" if report.state is RunState.FAILED else "was terminated"
    return RetryDecision(Status.DEAD, now, f"its run {ended}{said}")


def backoff(delivery: Delivery, jitter: float) -> float:
    """Return the wait before the next attempt in seconds: full jitter below an exponential ceiling.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter"); never
    under a tenth of the ceiling, so that a retry is never at once.
    """
    return _full_jitter(delivery.retry, delivery.attempts, jitter)


def _full_jitter(retry: Retry, times: int, jitter: float) -> float:
    ceiling = min(retry.max, retry.first * 2.0 ** min(times, 40))
    return ceiling * max(0.1, jitter)


def _retry_wait(outcome: Outcome, wait: float, limit: float) -> float:
    """Return the longer of our own wait and the platform's Retry-After."""
    retry_after = min(outcome.retry_after or 0.0, RETRY_AFTER_MAX_SECONDS)
    return max(retry_after, min(wait, limit))
