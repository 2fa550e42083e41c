"""What follows from an attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import NOW, make_delivery, make_event

from bridge.core.model import Retry, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.responses import RETRY_AFTER_MAX_SECONDS
from bridge.delivery.retry import (
    backoff,
    decide_after_attempt,
    decide_after_run,
)

DELIVERY = make_delivery(make_event("1"), retry=Retry(3, 5.0, 60.0), on_unknown="hold")


@pytest.mark.parametrize(
    ("outcome", "attempts", "on_unknown", "status", "spends"),
    [
        (OutcomeKind.STARTED, 0, "hold", Status.DELIVERED, True),
        (OutcomeKind.REJECTED, 0, "hold", Status.DEAD, True),
        (OutcomeKind.REFUSED, 0, "hold", Status.QUEUED, True),
        (OutcomeKind.REFUSED, 2, "hold", Status.DEAD, True),  # the third of three
        (OutcomeKind.THROTTLED, 2, "hold", Status.QUEUED, False),  # never spends one
        (OutcomeKind.UNAUTHORIZED, 2, "hold", Status.QUEUED, False),
        (OutcomeKind.UNKNOWN, 0, "hold", Status.UNKNOWN, True),
        (OutcomeKind.UNKNOWN, 2, "hold", Status.UNKNOWN, True),
        (OutcomeKind.UNKNOWN, 0, "reconcile", Status.UNKNOWN, True),
        (OutcomeKind.UNKNOWN, 0, "retry", Status.QUEUED, True),
        (OutcomeKind.UNKNOWN, 2, "retry", Status.DEAD, True),
    ],
)
def test_each_outcome_settles_a_delivery(
    outcome: OutcomeKind, attempts: int, on_unknown: str, status: Status, spends: bool
) -> None:
    delivery = replace(DELIVERY, attempts=attempts, on_unknown=on_unknown)
    decision = decide_after_attempt(delivery, Outcome(kind=outcome, detail="why"), NOW, 0.5)
    assert (decision.status, decision.spends) == (status, spends)
    assert decision.reason is None if status is Status.DELIVERED else "why" in decision.reason


def test_a_call_that_was_not_made_spends_no_attempt_and_waits_before_the_next() -> None:
    delivery = replace(DELIVERY, attempts=2)  # another would be its third of three
    decision = decide_after_attempt(
        delivery,
        Outcome(kind=OutcomeKind.REFUSED, detail="it stood still", ours=True, made=False),
        NOW,
        0.5,
    )
    assert (decision.status, decision.spends, decision.reason) == (
        Status.QUEUED,
        False,
        "it stood still",
    )
    assert decision.due_at > NOW


def test_a_delivery_whose_credentials_were_refused_lets_the_others_that_are_due_go_first() -> None:
    waiting = replace(DELIVERY, due_at=NOW - 60)
    assert (
        decide_after_attempt(waiting, Outcome(kind=OutcomeKind.UNAUTHORIZED), NOW, 0.5).due_at
        == NOW
    )
    assert (
        decide_after_attempt(waiting, Outcome(kind=OutcomeKind.THROTTLED), NOW, 0.5).due_at
        == NOW - 60
    )


def test_retry_after_is_honoured_and_capped() -> None:
    asked = lambda seconds: (  # noqa: E731
        decide_after_attempt(
            DELIVERY, Outcome(kind=OutcomeKind.REFUSED, retry_after=seconds), NOW, 0.5
        ).due_at
        - NOW
    )
    assert asked(30.0) == 30.0
    assert asked(10 * RETRY_AFTER_MAX_SECONDS) == RETRY_AFTER_MAX_SECONDS
    assert asked(0.0) == 2.5


@given(
    st.integers(0, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 1e4),
    st.floats(0.001, 1e6),
)
def test_the_wait_is_positive_and_bounded(
    attempts: int, jitter: float, first: float, most: float
) -> None:
    delivery = replace(DELIVERY, attempts=attempts, retry=Retry(20_000, first, most))
    assert 0 < backoff(delivery, jitter) <= most


@pytest.mark.parametrize(
    ("then", "retries", "reruns", "state", "status"),
    [
        ("ignore", 0, 0, RunState.FAILED, Status.DELIVERED),
        ("ignore", 0, 0, RunState.TERMINATED, Status.DELIVERED),
        ("dead", 0, 0, RunState.DONE, Status.DELIVERED),
        ("dead", 0, 0, RunState.FAILED, Status.DEAD),
        ("dead", 0, 0, RunState.TERMINATED, Status.DEAD),
        ("retry", 2, 0, RunState.DONE, Status.DELIVERED),
        ("retry", 2, 0, RunState.FAILED, Status.QUEUED),
        ("retry", 2, 1, RunState.FAILED, Status.QUEUED),
        ("retry", 2, 2, RunState.FAILED, Status.DEAD),
        # somebody ended it: it is not begun again behind their back
        ("retry", 2, 0, RunState.TERMINATED, Status.DEAD),
    ],
)
def test_what_follows_a_run_is_what_the_route_says(
    then: str, retries: int, reruns: int, state: RunState, status: Status
) -> None:
    delivery = replace(DELIVERY, on_run_failed=then, run_retries=retries, reruns=reruns)
    decision = decide_after_run(
        delivery, RunReport(state=state, log=("first", "the last word")), NOW, 0.5
    )
    assert decision.status is status
    assert (decision.reason is None) == (status is Status.DELIVERED)
    assert decision.reason is None or decision.reason.endswith(": the last word")
    assert decision.due_at > NOW if status is Status.QUEUED else decision.due_at == NOW
