"""The delivery ledger on both databases: leases, slots, intents, outcomes, runs."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from itertools import product

import pytest
from ledger_steps import (
    BROKE,
    STARTED,
    add,
    attempts,
    claim,
    column,
    get,
    late_starts,
    look_at,
    record,
    run_of,
    started,
)
from records import NOW, put
from sqlalchemy import Connection, update

from bridge.core.errors import IllegalTransition
from bridge.core.model import TRANSITIONS, DeadKind, Retry, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.units import DAY
from bridge.delivery.fair_share import FairShares
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.store.db.database import Database
from bridge.store.queries import event_lookup
from bridge.store.queries import status as status_queries
from bridge.store.queue import (
    claims,
    leases,
    ledger,
    run_tracking,
    transitions,
    unknown_starts,
)
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema


def test_a_claim_leases_and_puts_the_intent_on_disk(database: Database) -> None:
    [one] = add(database)
    [held] = claim(database)
    assert (held.delivery.id, held.attempt) == (one, 1)
    assert get(database, one).status is Status.SENDING
    [intent] = attempts(database, one)
    assert (intent.number, intent.started_at, intent.outcome) == (1, NOW, None)
    assert claim(database) == []


def test_nothing_is_claimed_before_it_is_due(database: Database) -> None:
    add(database, due_at=NOW + 10)
    assert claim(database) == []
    assert len(claim(database, now=NOW + 10)) == 1


def test_slots_count_calls_and_runs_in_flight(database: Database) -> None:
    add(database, 8)
    first = claim(database, caps={"local": 3})
    assert len(first) == 3
    assert claim(database, caps={"local": 3}) == []
    record(database, first[0], STARTED)  # its run still holds the slot
    assert claim(database, caps={"local": 3}) == []
    record(database, first[1], Outcome(kind=OutcomeKind.REFUSED))
    assert len(claim(database, caps={"local": 3})) == 1


def test_a_start_on_a_platform_without_runs_frees_its_slot_at_once(database: Database) -> None:
    [one] = add(database)
    [held] = claim(database)
    assert (
        record(database, held, Outcome(kind=OutcomeKind.STARTED), first_poll=None)
        is Status.DELIVERED
    )
    known = get(database, one)
    assert (known.run_id, known.run_state, known.finished_at) == (None, None, NOW + 1)
    assert not column(database, one, "slot")


def test_deliveries_of_a_platform_that_is_gone_wait(database: Database) -> None:
    add(database, platform="gone")
    assert claim(database, caps={"local": 5}) == []


def test_paused_routes_wait_and_orphaned_ones_go(database: Database) -> None:
    add(database, 2, "held")
    add(database, 2, "orphan")
    assert {held.delivery.route for held in claim(database, paused=frozenset({"held"}))} == {
        "orphan"
    }
    assert {held.delivery.route for held in claim(database)} == {"held"}


def test_no_route_starves_another(database: Database) -> None:
    add(database, 50, "flood")
    add(database, 2, "drop")
    routes = [held.delivery.route for held in claim(database, caps={"local": 4})]
    assert sorted(routes) == ["drop", "drop", "flood", "flood"]


@pytest.mark.parametrize("looks", [1, 2, 3, 4])
@pytest.mark.parametrize("routes", [2, 3, 4])
def test_slots_that_come_one_by_one_go_round_whatever_the_rhythm(
    database: Database, routes: int, looks: int
) -> None:
    """One slot, and every so many looks its run has ended."""
    names = [f"r{number}" for number in range(routes)]
    shares = FairShares()
    gone = []
    now = NOW
    for name in names:
        add(database, 4, name)
    while len(gone) < 3 * routes:
        [held] = claim(database, caps={"local": 1}, now=now, shares=shares)
        gone.append(held.delivery.route)
        for _ in range(looks - 1):
            now += 1
            assert claim(database, caps={"local": 1}, now=now, shares=shares) == []
        record(database, held, STARTED, first_poll=None)
        now += 1
    assert {name: gone.count(name) for name in names} == dict.fromkeys(names, 3)


def test_one_that_the_platform_had_no_room_for_keeps_its_place(database: Database) -> None:
    first, second, third = add(database, 3)
    [held] = claim(database, caps={"local": 1})
    assert held.delivery.id == first
    record(database, held, Outcome(kind=OutcomeKind.THROTTLED, detail="full", status_code=429))
    assert [each.delivery.id for each in claim(database, now=NOW + 2)] == [first, second, third]


def test_within_a_route_the_oldest_goes_first(database: Database) -> None:
    ids = add(database, 5)
    assert [held.delivery.id for held in claim(database, caps={"local": 3})] == ids[:3]


@pytest.mark.parametrize(
    ("outcome", "status", "counted"),
    [
        (
            Outcome(kind=OutcomeKind.REJECTED, detail="400 bad", status_code=400),
            Status.DEAD,
            (1, 0),
        ),
        (Outcome(kind=OutcomeKind.REFUSED, detail="refused"), Status.QUEUED, (1, 0)),
        (
            Outcome(kind=OutcomeKind.THROTTLED, detail="full", status_code=429),
            Status.QUEUED,
            (0, 1),
        ),
        (Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer within 30 s"), Status.UNKNOWN, (1, 0)),
    ],
)
def test_an_attempt_without_a_run_is_recorded(
    database: Database, outcome: Outcome, status: Status, counted: tuple[int, int]
) -> None:
    [one] = add(database)
    [held] = claim(database)
    assert record(database, held, outcome) is status
    known = get(database, one)
    assert (known.status, known.reason, (known.attempts, known.throttled)) == (
        status,
        outcome.detail,
        counted,
    )
    assert not column(database, one, "slot")
    [kept] = attempts(database, one)
    assert (kept.outcome, kept.detail, kept.finished_at) == (outcome.kind, outcome.detail, NOW + 1)


def test_a_retry_is_the_next_attempt_and_ends_in_dead(database: Database) -> None:
    [one] = add(database, retry=Retry(2, 1.0, 10.0))
    for number in (1, 2):
        [held] = claim(database, now=NOW + 100 * number)
        assert held.attempt == number
        record(database, held, Outcome(kind=OutcomeKind.REFUSED, detail="down"), NOW + 100 * number)
        assert get(database, one).dead_kind is (None if number == 1 else DeadKind.PLATFORM)
    assert get(database, one).status is Status.DEAD
    assert get(database, one).reason == "gave up after 2 attempts: down"


def test_an_unknown_start_is_looked_for_by_its_last_attempt(database: Database) -> None:
    [one] = add(database, on_unknown="reconcile")
    [held] = claim(database)
    record(database, held, Outcome(kind=OutcomeKind.THROTTLED, detail="full", status_code=429))
    [held] = claim(database, now=NOW + 1000)
    assert (
        record(database, held, Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer"), NOW + 1001)
        is Status.UNKNOWN
    )
    with database.read() as connection:
        found = unknown_starts.read_unknown_start(connection, one)
    assert found is not None and (found.attempt, found.began_at) == (2, NOW + 1000)


def test_a_lost_lease_changes_nothing_but_completes_the_attempt(database: Database) -> None:
    [one] = add(database, on_unknown="retry")
    [stale] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    [fresh] = claim(database, now=NOW + 600)
    assert fresh.attempt == 2
    assert record(database, stale, Outcome(kind=OutcomeKind.REJECTED, detail="late")) is None
    assert get(database, one).status is Status.SENDING
    assert attempts(database, one)[0].outcome == "rejected"


def test_a_dead_workers_delivery_is_unknown_and_a_late_success_settles_it(
    database: Database,
) -> None:
    [one] = add(database)
    [held] = claim(database)
    assert database.write(lambda c: ledger.reap_expired(c, NOW + 5, 0.0, lambda _: None)) == []
    [(taken, status)] = database.write(
        lambda c: ledger.reap_expired(c, NOW + 11, 0.0, lambda _: None)
    )
    assert (taken.delivery.id, taken.attempt, status) == (one, 1, Status.UNKNOWN)
    assert get(database, one).reason == WORKER_DIED.detail
    assert record(database, held, STARTED) is Status.DELIVERED
    assert (get(database, one).run_id, get(database, one).attempts) == ("r1", 1)


def test_a_late_answer_of_an_earlier_attempt_settles_no_other(database: Database) -> None:
    """The present attempt may have started a run too: it stays unknown, and the run of the earlier
    one is named.
    """
    [one] = add(database)
    [first] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    database.write(lambda c: transitions.move(c, one, Status.QUEUED, NOW + 60))
    [second] = claim(database, now=NOW + 61)
    database.write(lambda c: ledger.reap_expired(c, NOW + 120, 0.0, lambda _: None))
    assert record(database, first, STARTED, NOW + 130) is None
    assert (get(database, one).status, get(database, one).run_id) == (Status.UNKNOWN, None)
    kept = [(row.outcome, row.run_id, row.late_at) for row in attempts(database, one)]
    assert kept == [("started", "r1", NOW + 130), ("unknown", None, None)]
    assert late_starts(database) == [(one, 1, "r1", "unknown")]
    assert record(database, second, replace(STARTED, run_id="r2"), NOW + 140) is Status.DELIVERED
    assert get(database, one).run_id == "r2"


def test_a_run_that_a_late_answer_tells_of_is_named_until_a_person_acts(database: Database) -> None:
    [one] = add(database, on_unknown="retry")
    [stale] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    assert record(database, stale, STARTED, NOW + 100) is None
    assert get(database, one).status is Status.QUEUED
    assert (attempts(database, one)[0].run_id, attempts(database, one)[0].late_at) == (
        "r1",
        NOW + 100,
    )
    assert late_starts(database) == [(one, 1, "r1", "queued")]
    database.write(lambda c: transitions.move(c, one, Status.CANCELLED, NOW + 200))
    assert late_starts(database) == []


@pytest.mark.parametrize(("run_id", "named"), [("r1", False), ("r2", True)])
def test_a_late_answer_is_nothing_to_see_to_where_the_next_attempt_has_the_same_run(
    database: Database, run_id: str, named: bool
) -> None:
    [one] = add(database, on_unknown="retry")
    [stale] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    [fresh] = claim(database, now=NOW + 600)
    record(database, stale, STARTED, NOW + 601)
    assert get(database, one).status is Status.SENDING
    assert record(database, fresh, replace(STARTED, run_id=run_id), NOW + 602) is Status.DELIVERED
    assert late_starts(database) == ([(one, 1, "r1", "delivered")] if named else [])
    # it was told of for a day
    assert (
        status_queries.read_status(database, (), NOW + 601 + DAY, midnight=NOW, day=DAY).late_starts
        == []
    )


def test_a_delivery_whose_attempt_had_not_begun_goes_back_to_the_queue(database: Database) -> None:
    [one] = add(database)
    [held] = claim(database)
    database.write(lambda c: c.execute(schema.attempt.delete()))
    [(taken, status)] = database.write(
        lambda c: ledger.reap_expired(c, NOW + 11, 0.0, lambda _: None)
    )
    assert (taken.attempt, status) == (0, Status.QUEUED)
    assert get(database, one).attempts == 0
    assert held.lease


def test_the_heartbeat_keeps_a_lease(database: Database) -> None:
    add(database)
    [held] = claim(database)
    database.write(lambda c: leases.extend_leases(c, [held.lease], NOW + 9))
    assert database.write(lambda c: ledger.reap_expired(c, NOW + 15, 0.0, lambda _: None)) == []


def test_what_is_handed_back_was_never_taken(database: Database) -> None:
    [one] = add(database)
    [held] = claim(database)
    database.write(lambda c: leases.return_claims(c, [held]))
    assert get(database, one).status is Status.QUEUED
    assert attempts(database, one) == []
    assert claim(database)[0].attempt == 1


def follow(database: Database, report: RunReport, now: float = NOW + 3) -> bool:
    [(followed, _)] = database.write(
        lambda c: run_tracking.claim_polls(c, platforms=["local"], limit=10, now=now)
    )
    return database.write(
        lambda c: run_tracking.record_run(c, followed, report, now, next_poll=2.0)
    )


def test_a_run_is_followed_to_its_end(database: Database) -> None:
    one = started(database)
    assert get(database, one).run_state is RunState.QUEUED
    assert not follow(database, RunReport(state=RunState.RUNNING, raw_state="RUNNING"))
    assert get(database, one).run_state is RunState.RUNNING
    assert (
        database.write(
            lambda c: run_tracking.claim_polls(c, platforms=["local"], limit=10, now=NOW + 4)
        )
        == []
    )
    ended = RunReport(
        state=RunState.DONE, raw_state="DONE", outputs={"n": 1}, log=("hi",), finished_at=NOW + 4.5
    )
    assert follow(database, ended, NOW + 6)
    known = get(database, one)
    assert (known.run_state, known.outputs, known.log, known.finished_at) == (
        RunState.DONE,
        {"n": 1},
        ("hi",),
        NOW + 4.5,
    )
    assert not column(database, one, "slot")


def test_a_look_that_learns_nothing_changes_nothing(database: Database) -> None:
    one = started(database)
    assert not follow(database, RunReport(state=None, detail="no answer"))
    assert get(database, one).run_state is RunState.QUEUED
    assert column(database, one, "slot")


def test_a_run_not_seen_to_end_frees_its_slot_and_says_so(database: Database) -> None:
    one = started(database, run_timeout=60.0)
    assert follow(database, RunReport(state=RunState.RUNNING), NOW + 100)
    assert get(database, one).reason == "the run was not seen to end within 60 s"
    assert not column(database, one, "slot")


def test_a_run_that_the_platform_does_not_know_is_no_longer_followed(database: Database) -> None:
    one = started(database)
    assert follow(database, RunReport(state=None, gone=True))
    assert "no such run" in get(database, one).reason


def test_two_workers_never_look_at_the_same_run(database: Database) -> None:
    started(database)
    look = lambda: database.write(  # noqa: E731
        lambda c: run_tracking.claim_polls(c, platforms=["local"], limit=10, now=NOW + 3)
    )
    assert (len(look()), len(look())) == (1, 0)


BY_HAND = [Status.QUEUED, Status.DEAD, Status.CANCELLED, Status.DELIVERED]


@pytest.mark.parametrize(("before", "after"), list(product(Status, BY_HAND)))
def test_a_person_can_move_a_delivery_only_where_it_may_go(
    sqlite: Database, before: Status, after: Status
) -> None:
    [one] = add(
        sqlite, status=before, dead_kind=DeadKind.PLATFORM if before is Status.DEAD else None
    )
    sqlite.write(lambda c: c.execute(schema.delivery.update().values(attempts=1)))
    move = lambda: sqlite.write(  # noqa: E731
        lambda c: transitions.move(c, one, after, NOW + 5, reason="by hand", run_id="r9")
    )
    if after in TRANSITIONS[before] and before is not Status.SENDING:
        assert move().status is before
        assert get(sqlite, one).status is after
    else:
        with pytest.raises(IllegalTransition, match=f"is {before}"):
            move()
        assert get(sqlite, one).status is before


@pytest.mark.parametrize("before", list(Status))
def test_the_store_itself_refuses_what_is_no_step(database: Database, before: Status) -> None:
    """Whoever writes to it: a bug of ours, another version, a person with a database shell."""
    [one] = add(database)
    for after in Status:
        put(database, one, status=before.value)
        step = update(schema.delivery).where(schema.delivery.c.id == one).values(status=after.value)
        if after in TRANSITIONS[before] or after is before:
            database.write(lambda c, step=step: c.execute(step))
        else:
            with pytest.raises(Exception, match="no step of the ledger"):
                database.write(lambda c, step=step: c.execute(step))
        assert get(database, one).status is (after if after in TRANSITIONS[before] else before)


def test_a_retried_delivery_has_its_attempts_anew(database: Database) -> None:
    [one] = add(database, retry=Retry(1, 1.0, 1.0))
    record(database, claim(database)[0], Outcome(kind=OutcomeKind.REFUSED, detail="down"))
    assert get(database, one).status is Status.DEAD
    database.write(lambda c: transitions.move(c, one, Status.QUEUED, NOW + 5))
    record(database, claim(database, now=NOW + 5)[0], STARTED, NOW + 6)
    assert get(database, one).status is Status.DELIVERED


@pytest.mark.parametrize("inputs", [None, {"api_key": "a reserved name"}])
def test_a_parked_delivery_cannot_be_retried(database: Database, inputs: object) -> None:
    [one] = add(
        database,
        status=Status.DEAD,
        inputs=inputs,
        reason="bad expression",
        dead_kind=DeadKind.OURS,
    )
    with pytest.raises(IllegalTransition, match="fix the route, then replay"):
        database.write(lambda c: transitions.move(c, one, Status.QUEUED, NOW))


def test_an_unknown_one_resolved_with_a_run_is_followed(database: Database) -> None:
    [one] = add(database)
    record(database, claim(database)[0], Outcome(kind=OutcomeKind.UNKNOWN, detail="reset"))
    database.write(lambda c: transitions.move(c, one, Status.DELIVERED, NOW + 5, run_id="r7"))
    assert follow(database, RunReport(state=RunState.DONE, outputs={}), NOW + 6)
    assert (get(database, one).run_id, get(database, one).run_state) == ("r7", RunState.DONE)


def test_an_idle_look_at_the_queue_tells_what_is_due(database: Database) -> None:
    due = lambda now: _read(database, now)  # noqa: E731
    assert not due(NOW)
    add(database, due_at=NOW + 5)
    assert (due(NOW), due(NOW + 5)) == (False, True)


def _read(database: Database, now: float) -> bool:
    with database.read() as connection:
        return claims.is_work_due(connection, now)


# -- runs that failed


def test_a_run_that_failed_is_a_dead_letter_where_the_route_says_so(database: Database) -> None:
    [one] = add(database, on_run_failed="dead")
    run_of(database)
    assert look_at(database, one, BROKE, NOW + 5)
    known = get(database, one)
    assert (known.status, known.dead_kind, known.reason) == (
        Status.DEAD,
        DeadKind.PLATFORM,
        "its run failed: it broke",
    )
    assert (known.run_id, known.run_state, known.log, known.finished_at) == (
        "r1",
        RunState.FAILED,
        ("begun", "it broke"),
        NOW + 5,
    )
    assert not column(database, one, "slot")


def test_a_run_that_failed_is_followed_by_another_and_stays_with_its_attempt(
    database: Database,
) -> None:
    [one] = add(database, on_run_failed="retry", run_retries=2, retry=Retry(1, 10.0, 100.0))
    for number, wait in ((1, 5.0), (2, 10.0)):
        now = NOW + 100 * number
        run_of(database, f"r{number}", now)
        assert look_at(database, one, BROKE, now + 1)
        known = get(database, one)
        assert (known.status, known.due_at, known.reruns) == (Status.QUEUED, now + 1 + wait, number)
        assert known.reason == "its run failed, and another follows: it broke"
        assert (known.run_id, known.run_state, known.outputs, known.log, known.finished_at) == (
            None,
            None,
            None,
            (),
            None,
        )
        assert not column(database, one, "slot") and column(database, one, "poll_at") is None
    run_of(database, "r3", NOW + 300)
    look_at(database, one, BROKE, NOW + 301)
    known = get(database, one)
    assert (known.status, known.reason) == (
        Status.DEAD,
        "gave up after 3 runs that failed: it broke",
    )
    kept = [
        (row.number, row.run_id, row.run_state, row.run_finished_at, row.outputs, row.log)
        for row in attempts(database, one)
    ]
    said = ('{"left":2}', '["begun","it broke"]')
    assert kept == [
        (1, "r1", "failed", NOW + 101, *said),
        (2, "r2", "failed", NOW + 201, *said),
        (3, "r3", None, None, None, None),
    ]


@pytest.mark.parametrize("on_run_failed", ["dead", "ignore"])
def test_a_run_that_failed_stays_with_its_attempt_after_a_retry_by_hand(
    database: Database, on_run_failed: str
) -> None:
    [one] = add(database, on_run_failed=on_run_failed)
    run_of(database)
    look_at(database, one, BROKE, NOW + 5)
    database.write(lambda c: transitions.move(c, one, Status.QUEUED, NOW + 6))
    assert (get(database, one).run_state, get(database, one).log) == (None, ())
    run_of(database, "r2", NOW + 7)
    first, second = attempts(database, one)
    assert (first.run_id, first.run_state, first.run_finished_at) == ("r1", "failed", NOW + 5)
    assert (first.outputs, first.log) == ('{"left":2}', '["begun","it broke"]')
    assert (second.run_id, second.run_state, second.log) == ("r2", None, None)
    assert event_lookup.find(database, "r1") == event_lookup.find(database, "r2")
    assert event_lookup.find(database, "r1")[1] == one


def test_the_failed_run_that_a_person_named_stays_with_the_attempt_without_an_answer(
    database: Database,
) -> None:
    [one] = add(database)
    record(database, claim(database)[0], Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer"))
    database.write(lambda c: transitions.move(c, one, Status.DELIVERED, NOW + 2, run_id="named"))
    look_at(database, one, BROKE, NOW + 5)
    database.write(lambda c: transitions.move(c, one, Status.QUEUED, NOW + 6))
    [lost] = attempts(database, one)
    assert (lost.outcome, lost.detail) == ("unknown", "no answer")
    assert (lost.run_id, lost.run_state, lost.log) == ("named", "failed", '["begun","it broke"]')


def test_the_log_of_a_replaced_run_stays_where_its_last_report_had_none(
    database: Database,
) -> None:
    [one] = add(database, on_run_failed="retry", run_retries=1)
    run_of(database)
    look_at(database, one, RunReport(state=RunState.RUNNING, log=("begun",)), NOW + 2)
    look_at(database, one, RunReport(state=RunState.FAILED), NOW + 3)
    assert [row.log for row in attempts(database, one)] == ['["begun"]']


def test_another_run_has_a_call_of_its_own_and_no_more(database: Database) -> None:
    """The calls for a further run are those that are left, and one."""
    [one] = add(database, on_run_failed="retry", run_retries=1, retry=Retry(2, 1.0, 1.0))
    run_of(database)
    look_at(database, one, BROKE, NOW + 2)
    for now in (NOW + 10, NOW + 20):
        record(
            database,
            claim(database, now=now)[0],
            Outcome(kind=OutcomeKind.REFUSED, detail="down"),
            now,
        )
    assert get(database, one).reason == "gave up after 3 attempts: down"


def test_a_report_of_an_earlier_run_changes_nothing_of_the_next(database: Database) -> None:
    [one] = add(database, on_run_failed="retry", run_retries=1)
    run_of(database)
    earlier = get(database, one)
    look_at(database, one, BROKE, NOW + 2)
    run_of(database, "r2", NOW + 100)
    assert not database.write(
        lambda c: run_tracking.record_run(c, earlier, BROKE, NOW + 101, next_poll=1.0)
    )
    assert (get(database, one).status, get(database, one).run_id, get(database, one).reruns) == (
        Status.DELIVERED,
        "r2",
        1,
    )


def test_what_is_for_a_flow_that_its_platform_does_not_have_is_passed_over(
    database: Database,
) -> None:
    old = add(database, 3, platform="local", saved_item_id="gone")
    new = add(database, 2, platform="local", saved_item_id="there")
    other = add(database, platform="gumloop", saved_item_id="gone")
    allowed = {"caps": {"local": 9, "gumloop": 9}, "flows": {"local": ["echo", "there"]}}
    assert {each.delivery.id for each in claim(database, **allowed)} == {*new, *other}
    assert {get(database, one).status for one in old} == {Status.QUEUED}
    assert claim(database, **allowed | {"flows": {"local": []}}) == []
    assert [
        each.delivery.id for each in claim(database, **allowed | {"flows": {"local": ["gone"]}})
    ] == old


def test_sqlite_prepares_the_statements_of_a_turn_only_once(sqlite: Database) -> None:
    prepared = []

    def note(*what: object) -> int:
        prepared.append(what)
        return sqlite3.SQLITE_OK

    def turn(connection: Connection) -> None:
        now = next(times)
        ledger.record_attempts(connection, settled, now, jitter=0.5)
        taken = claims.claim(connection, allowed, limit=2, now=now, lease=f"w:{now}")
        settled[:] = [ledger.EndedAttempt(each, STARTED, 1.0) for each in taken]

    add(sqlite, 8)
    times = iter((NOW, NOW + 1, NOW + 2, NOW + 3))
    allowed = ClaimLimits(caps={"local": 8})
    settled = list[ledger.EndedAttempt]()
    sqlite.write(turn)
    # SQLite calls an authorizer for each statement that it prepares, and prepares all of them again
    # once it has one.
    sqlite.write(lambda c: c.connection.driver_connection.set_authorizer(note))
    sqlite.write(turn)
    sqlite.write(turn)
    prepared.clear()
    sqlite.write(turn)
    assert (len(settled), prepared) == (2, [])
