"""Rate limits and caps of routes: pure, and through the store."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_steps import STARTED, add, claim, get, record
from records import NOW

from bridge.core.model import RunState, Status
from bridge.core.rate_limits import (
    RATE_CATCH_UP_SECONDS,
    Limits,
    Rate,
    RateState,
    allowed_starts,
    day_of,
    record_starts,
)
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.units import DAY
from bridge.store.db.database import Database
from bridge.store.queue import leases, run_tracking, transitions

MIDNIGHT = day_of(NOW) * DAY


def test_a_rate_is_spread_evenly() -> None:
    limits = Limits(rate=Rate(count=30, per=60.0))
    pace = RateState()
    starts = []
    for tick in range(1200):
        now = NOW + tick / 10
        for _ in range(allowed_starts(limits, pace, now) or 0):
            pace = record_starts(limits, pace, 1, now)
            starts.append(now)
    assert len(starts) == 60
    assert all(1.95 <= second - first <= 2.05 for first, second in pairwise(starts))


@given(
    st.integers(1, 500),
    st.sampled_from([1.0, 60.0, 3600.0]),
    st.lists(st.floats(0, 5), max_size=200),
)
def test_no_time_holds_more_starts_than_its_share_and_a_tenth_of_a_second(
    count: int, per: float, gaps: list[float]
) -> None:
    limits = Limits(rate=Rate(count=count, per=per))
    pace = RateState()
    starts = []
    now = NOW
    for gap in gaps:
        now += gap
        may = allowed_starts(limits, pace, now) or 0
        if may:
            pace = record_starts(limits, pace, may, now)
            starts += [now] * may
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            span = starts[last] - starts[first]
            assert last - first + 1 <= (span + RATE_CATCH_UP_SECONDS) * count / per + 1.001


def test_a_day_ends_at_midnight() -> None:
    limits = Limits(max_runs_per_day=3)
    pace = record_starts(limits, RateState(), 2, MIDNIGHT)
    assert allowed_starts(limits, pace, MIDNIGHT + DAY - 1) == 1
    pace = record_starts(limits, pace, 1, MIDNIGHT + DAY - 1)
    assert allowed_starts(limits, pace, MIDNIGHT + DAY - 1) == 0
    assert allowed_starts(limits, pace, MIDNIGHT + DAY) == 3


def test_without_limits_there_is_no_end() -> None:
    assert allowed_starts(Limits(), RateState(), NOW) is None
    assert allowed_starts(Limits(max_concurrent_runs=2), RateState(), NOW) is None


# -- through the store

CAPS = {"local": 50}


def test_a_route_with_a_rate_waits_and_others_do_not(database: Database) -> None:
    slow = add(database, 5, "slow")
    quick = add(database, 5, "quick")
    limits = {"slow": Limits(rate=Rate(count=1, per=2.0))}
    take = lambda now: [  # noqa: E731
        held.delivery.id for held in claim(database, caps=CAPS, limits=limits, now=now)
    ]
    assert sorted(take(NOW)) == sorted([slow[0], *quick])
    assert take(NOW + 1.5) == []
    assert take(NOW + 2) == [slow[1]]
    assert take(NOW + 60) == [slow[2]]  # what was not used is not made up for
    assert get(database, slow[3]).attempts == 0


def test_a_day_has_so_many_starts_and_those_that_came_to_nothing_do_not_count(
    database: Database,
) -> None:
    add(database, 9, created_at=MIDNIGHT, due_at=MIDNIGHT)
    limits = {"triage": Limits(max_runs_per_day=3)}
    first, second, third = claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 10)
    assert claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 20) == []
    record(database, first, STARTED, MIDNIGHT + 20)
    record(
        database, second, Outcome(kind=OutcomeKind.UNKNOWN), MIDNIGHT + 20
    )  # it may have started
    assert claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 30) == []
    record(database, third, Outcome(kind=OutcomeKind.REJECTED), MIDNIGHT + 30)
    assert len(claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 40)) == 1
    assert len(claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + DAY)) == 3


@pytest.mark.parametrize("kind", [OutcomeKind.REFUSED, OutcomeKind.THROTTLED, OutcomeKind.REJECTED])
def test_a_start_of_yesterday_is_not_given_back_today(
    database: Database, kind: OutcomeKind
) -> None:
    add(database, 3, created_at=MIDNIGHT - 60, due_at=MIDNIGHT - 60)
    limits = {"triage": Limits(max_runs_per_day=1)}
    [late] = claim(database, caps=CAPS, limits=limits, now=MIDNIGHT - 1)
    [_] = claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 1)
    record(database, late, Outcome(kind=kind), MIDNIGHT + 2)
    assert claim(database, caps=CAPS, limits=limits, now=MIDNIGHT + 3600 * 7) == []


def test_what_is_handed_back_was_no_start(database: Database) -> None:
    add(database, 2)
    limits = {"triage": Limits(max_runs_per_day=1)}
    held = claim(database, caps=CAPS, limits=limits)
    database.write(lambda c: leases.return_claims(c, held))
    assert len(claim(database, caps=CAPS, limits=limits)) == 1


def test_a_routes_cap_counts_its_runs_in_flight_and_what_is_unknown(database: Database) -> None:
    add(database, 6, "capped")
    add(database, 1, "other")
    limits = {"capped": Limits(max_concurrent_runs=2)}
    taken = [
        held
        for held in claim(database, caps=CAPS, limits=limits)
        if held.delivery.route == "capped"
    ]
    assert len(taken) == 2
    record(database, taken[0], STARTED)
    record(database, taken[1], Outcome(kind=OutcomeKind.UNKNOWN, detail="reset"))
    assert claim(database, caps=CAPS, limits=limits) == []
    database.write(lambda c: transitions.move(c, taken[1].delivery.id, Status.DEAD, NOW + 2))
    assert len(claim(database, caps=CAPS, limits=limits, now=NOW + 2)) == 1
    run = get(database, taken[0].delivery.id)
    database.write(
        lambda c: run_tracking.record_run(
            c, run, RunReport(state=RunState.DONE), NOW + 3, next_poll=1.0
        )
    )
    assert len(claim(database, caps=CAPS, limits=limits, now=NOW + 3)) == 1
