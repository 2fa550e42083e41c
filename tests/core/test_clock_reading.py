"""Comparison of two clock readings, and its effect on the search for a run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import NOW, attempt_window, make_delivery, make_event

from bridge.core.clock_reading import ClockReading, compare_readings
from bridge.core.model import RunState, Status
from bridge.core.timings import TIMINGS
from bridge.delivery.reconcile import (
    MAX_SKEW_SECONDS,
    Candidate,
    EarlierLooks,
    Echo,
    Look,
    ReconcileVerdict,
    Window,
    read_earlier_looks,
    window_by_clocks,
)
from bridge.delivery.reconcile_verdict import judge_look

TIMEOUT = 30.0
INTENT = ClockReading(at=NOW, boot_clock=1000.0, boot_id="b", host="h", platform_at=NOW + 5)
LATER = ClockReading(at=NOW + 100, boot_clock=1100.0, boot_id="b", host="h", platform_at=NOW + 105)
DELIVERY = make_delivery(make_event("1"), status=Status.UNKNOWN, attempts=1, run_timeout=600.0)
LOOK = Look(at=NOW + 100, window=attempt_window(NOW, TIMEOUT), listed=3)
RUN = Candidate(run_id="r1", created_at=NOW + 1, state=RunState.DONE, echo=Echo.DELIVERY)


@pytest.mark.parametrize(
    ("intent", "look", "seconds", "step"),
    [
        (INTENT, LATER, 100.0, 0.0),
        (INTENT, replace(LATER, at=NOW + 300), 100.0, 200.0),
        (INTENT, replace(LATER, at=NOW - 86300), 100.0, -86400.0),
        # it was suspended for two hours
        (INTENT, replace(LATER, at=NOW + 7300, boot_clock=8300.0), 7300.0, 0.0),
        # of one boot its own clock counts
        (INTENT, replace(LATER, platform_at=NOW + 9000), 100.0, 0.0),
        # Of another boot or another host the platform's.
        (INTENT, replace(LATER, boot_id="c", boot_clock=3.0), 100.0, 0.0),
        (INTENT, replace(LATER, host="i"), 100.0, 0.0),
        (INTENT, replace(LATER, host="i", at=NOW + 300), 100.0, 200.0),
        (INTENT, replace(LATER, boot_id="c", platform_at=NOW + 305), 300.0, -200.0),
        (replace(INTENT, boot_clock=None, boot_id=None, host=None), LATER, 100.0, 0.0),
    ],
)
def test_a_step_is_the_wall_clocks_change_beyond_the_elapsed_time(
    intent: ClockReading, look: ClockReading, seconds: float, step: float
) -> None:
    between = compare_readings(intent, look)
    assert between is not None and (between.seconds, between.step) == (
        pytest.approx(seconds),
        pytest.approx(step),
    )


@pytest.mark.parametrize(
    ("intent", "look"),
    [
        (replace(INTENT, platform_at=None), replace(LATER, host="i")),
        (INTENT, replace(LATER, host="i", platform_at=None)),
        (replace(INTENT, platform_at=None), replace(LATER, boot_id="c")),
        # a system without boot ids
        (replace(INTENT, boot_id=None, platform_at=None), replace(LATER, boot_id=None)),
        (ClockReading(at=NOW), LATER),  # a row of an earlier version
        # a machine that was put back to an earlier state
        (INTENT, replace(LATER, boot_clock=900.0)),
    ],
)
def test_without_a_clock_that_runs_through_both_nothing_is_known(
    intent: ClockReading, look: ClockReading
) -> None:
    assert compare_readings(intent, look) is None


@pytest.mark.parametrize("step", [MAX_SKEW_SECONDS + 1, -MAX_SKEW_SECONDS - 1, 86400.0, None])
@pytest.mark.parametrize(
    "look",
    [LOOK, replace(LOOK, candidates=(RUN,)), replace(LOOK, candidates=(replace(RUN, echo=None),))],
)
def test_a_step_beyond_the_skew_holds_the_delivery(look: Look, step: float | None) -> None:
    for before in (EarlierLooks(), EarlierLooks(looks=1, covered=True, empty_at=NOW)):
        for exclusive in (False, True):
            found = judge_look(
                DELIVERY, 1, NOW, replace(look, step=step), before, exclusive=exclusive
            )
            assert found.decision.verdict is ReconcileVerdict.HOLD
            assert found.decision.why.startswith(
                "clock_not_comparable: " if step is None else "clock_stepped: the clock was set "
            )


@pytest.mark.parametrize("step", [0.0, MAX_SKEW_SECONDS, -MAX_SKEW_SECONDS])
def test_a_step_within_the_skew_does_not(step: float) -> None:
    before = EarlierLooks(
        looks=1, covered=True, empty_at=LOOK.at - TIMINGS.reconcile_confirm_seconds, step=step
    )
    assert (
        judge_look(
            DELIVERY, 1, NOW, replace(LOOK, step=step), before, exclusive=False
        ).decision.verdict
        is ReconcileVerdict.QUEUE
    )
    adopted = judge_look(
        DELIVERY,
        1,
        NOW,
        replace(LOOK, step=step, candidates=(RUN,)),
        EarlierLooks(),
        exclusive=False,
    )
    assert adopted.decision.verdict is ReconcileVerdict.ADOPT


def test_a_failed_look_decides_nothing_about_the_clock() -> None:
    found = judge_look(
        DELIVERY,
        1,
        NOW,
        replace(LOOK, step=None, problem="HTTP 500"),
        EarlierLooks(),
        exclusive=False,
    )
    assert found.decision.verdict is ReconcileVerdict.AGAIN


def test_an_attempt_of_an_earlier_version_says_so() -> None:
    held = judge_look(
        DELIVERY,
        1,
        NOW,
        replace(LOOK, step=None, read_clocks=False),
        EarlierLooks(),
        exclusive=False,
    )
    assert "an earlier version of flowbridge made the call" in held.decision.why


def test_a_step_between_two_looks_does_not_bring_them_together() -> None:
    """The second look is to be as much later as it says, whatever the clock says."""
    first = judge_look(DELIVERY, 1, NOW, LOOK, EarlierLooks(), exclusive=False)
    second = replace(LOOK, at=LOOK.at + TIMINGS.reconcile_confirm_seconds / 2 + 40, step=40.0)
    found = judge_look(
        DELIVERY, 1, NOW, second, read_earlier_looks(first.as_json(), 1), exclusive=False
    )
    assert (found.decision.verdict, found.decision.wait) == (
        ReconcileVerdict.AGAIN,
        pytest.approx(TIMINGS.reconcile_confirm_seconds / 2),
    )
    third = replace(LOOK, at=LOOK.at + TIMINGS.reconcile_confirm_seconds, step=0.0)
    assert (
        judge_look(
            DELIVERY, 1, NOW, third, read_earlier_looks(found.as_json(), 1), exclusive=False
        ).decision.verdict
        is ReconcileVerdict.QUEUE
    )


def test_evidence_of_an_earlier_version_is_read() -> None:
    kept = judge_look(DELIVERY, 1, NOW, LOOK, EarlierLooks(), exclusive=False).as_json()
    del kept["clock_step"]
    assert read_earlier_looks(kept, 1) == EarlierLooks(looks=1, covered=True, empty_at=LOOK.at)


def test_the_step_is_stored_in_milliseconds() -> None:
    found = judge_look(
        DELIVERY, 1, NOW, replace(LOOK, step=1.23456), EarlierLooks(), exclusive=False
    )
    assert found.as_json()["clock_step"] == 1.235


@pytest.mark.parametrize(
    ("at_intent", "at_look", "step", "since", "until"),
    [
        (None, None, 0.0, 0.0, 0.0),
        (5.0, 5.0, 0.0, 5.0, 5.0),
        (None, 5.0, 0.0, 0.0, 5.0),
        (-300.0, -300.0, 0.0, -300.0, -300.0),  # ours is five minutes ahead, all the time
        (0.0, 50.0, -50.0, 0.0, 0.0),  # ours was set back by as much as the platform's is ahead now
        (None, 50.0, -50.0, -50.0, 0.0),
        (None, None, 40.0, 0.0, 40.0),
        (0.0, 600.0, 0.0, 0.0, 600.0),  # the platform's was set
    ],
)
def test_the_window_is_in_the_time_of_the_platform(
    at_intent: float | None, at_look: float | None, step: float, since: float, until: float
) -> None:
    intent = replace(INTENT, platform_at=None if at_intent is None else NOW + at_intent)
    at = NOW + 100 + step
    look = replace(LATER, at=at, platform_at=None if at_look is None else at + at_look)
    assert window_by_clocks(intent, look, TIMEOUT) == Window(
        NOW + since - MAX_SKEW_SECONDS, NOW + TIMEOUT + until + MAX_SKEW_SECONDS
    )


@pytest.mark.parametrize(("at_look", "until"), [(None, 0.0), (5.0, 5.0)])
def test_the_window_where_no_clock_tells_of_a_step_is_that_of_no_step(
    at_look: float | None, until: float
) -> None:
    look = ClockReading(at=NOW + 100, platform_at=None if at_look is None else NOW + 100 + at_look)
    assert window_by_clocks(ClockReading(at=NOW), look, TIMEOUT) == Window(
        NOW - MAX_SKEW_SECONDS, NOW + TIMEOUT + until + MAX_SKEW_SECONDS
    )
