"""Every condition and column of the ledger's steps, on both databases: a lost lease changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ledger_steps import (
    BROKE,
    STARTED,
    add,
    arrive,
    attempts,
    claim,
    get,
    late_starts,
    look_at,
    record,
    run_of,
)
from old_events import CONFIG, OLD, UNFINISHED, old_event
from records import NOW, attempt_window, make_event, make_local_run, put
from serving import until
from sqlalchemy import insert, select, text, update

from bridge.core.clock_reading import ClockReading
from bridge.core.local_runs import LocalState, RunResult
from bridge.core.model import Debounce, Order, Retry, RunState, Status
from bridge.core.rate_limits import Limits, RateState, allowed_starts, day_of, record_starts
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.timings import TIMINGS
from bridge.core.units import DAY
from bridge.delivery import reconcile
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.store.db.database import Database
from bridge.store.db.leader import Leadership
from bridge.store.inbound import events, removal
from bridge.store.local import flows, runs
from bridge.store.operations import prune
from bridge.store.operations.prune import Pruning
from bridge.store.queue import (
    claims,
    leases,
    ledger,
    run_tracking,
    throttling,
    transitions,
    unknown_starts,
)
from bridge.store.queue import reconcile as reconcile_store
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.queue.ledger import EndedAttempt
from bridge.store.tables import schema

LEASE = TIMINGS.lease_seconds

REFUSED = Outcome(kind=OutcomeKind.REFUSED, detail="down", status_code=502)
REJECTED = Outcome(kind=OutcomeKind.REJECTED, detail="400 bad", status_code=400)
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, detail="full", status_code=429)
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer")
MIDNIGHT = day_of(NOW) * DAY


def row(database: Database, table: Any, **where: Any) -> dict[str, Any]:
    with database.read() as connection:
        query = select(table).where(*(table.c[name] == value for name, value in where.items()))
        return dict(connection.execute(query).one()._mapping)


def changes(database: Database, delivery_id: str, act: Callable[[], Any]) -> dict[str, Any]:
    """Return every column of a delivery that an act changes, and what it is then."""
    before = row(database, schema.delivery, id=delivery_id)
    act()
    after = row(database, schema.delivery, id=delivery_id)
    return {name: value for name, value in after.items() if value != before[name]}


def bystanders(database: Database) -> Callable[[], None]:
    """Put deliveries of all kinds there, and return what checks that nothing of them has
    changed.
    """
    held, queued, lost, done = (
        add(database, **{"platform": "beside", "route": f"beside {name}"})[0] for name in "abcd"
    )
    put(
        database,
        held,
        status="sending",
        lease="beside",
        lease_until=NOW + 1e6,
        slot=True,
        attempts=0,
    )
    put(database, lost, status="unknown", attempts=1, poll_at=NOW + 1e6)
    put(
        database,
        done,
        status="delivered",
        attempts=1,
        run_id="beside",
        slot=True,
        poll_at=NOW + 1e6,
        run_state="running",
    )
    started = {lost: ("unknown", None), done: ("started", "beside"), held: (None, None)}
    with database.engine.begin() as connection:
        for one, (outcome, run_id) in started.items():
            values = {
                "delivery_id": one,
                "number": 1,
                "started_at": NOW - 1e6,
                "outcome": outcome,
                "run_id": run_id,
                "late_at": NOW,
            }
            connection.execute(insert(schema.attempt).values(**values))
    known = [row(database, schema.delivery, id=one) for one in (held, queued, lost, done)]
    tried = [attempts(database, one) for one in (held, queued, lost, done)]

    def check() -> None:
        assert [row(database, schema.delivery, id=one["id"]) for one in known] == known
        assert [attempts(database, one["id"]) for one in known] == tried

    return check


# -- claiming, and what a lease is worth

TAKEN: dict[str, Any] = {
    "status": "sending",
    "lease": f"w:{NOW}",
    "lease_until": NOW + LEASE,
    "slot": True,
}


def test_a_claim_changes_what_it_says_and_nothing_else(database: Database) -> None:
    check = bystanders(database)
    [one] = add(database, debounce=Debounce(key="k", until=NOW + 9))
    database.write(
        lambda c: c.execute(
            update(schema.delivery).where(schema.delivery.c.id == one).values(reason="down")
        )
    )
    taken: list[Claim] = []
    assert changes(database, one, lambda: taken.extend(claim(database))) == {
        **TAKEN,
        "reason": None,
        "debounce_until": None,
    }
    [held] = taken
    assert (held.delivery.id, held.attempt, held.lease, held.began_at) == (one, 1, f"w:{NOW}", NOW)
    check()


@pytest.mark.parametrize("spent", [(2, 0), (0, 2), (3, 4)])
def test_the_number_of_an_attempt_counts_those_that_were_spent_and_those_that_were_not(
    database: Database, spent: tuple[int, int]
) -> None:
    [one] = add(database)
    put(database, one, attempts=spent[0], throttled=spent[1])
    [held] = claim(database)
    assert held.attempt == sum(spent) + 1
    assert [(each.number, each.started_at, each.outcome) for each in attempts(database, one)] == [
        (sum(spent) + 1, NOW, None)
    ]


def test_no_more_are_claimed_than_are_asked_for_whatever_the_platforms_have(
    database: Database,
) -> None:
    for platform in ("a", "b"):
        for route in ("one", "two"):
            add(database, 3, route, platform=platform)
    caps = {"a": 4, "b": 9}
    assert [len(claim(database, caps=caps, limit=most)) for most in (0, 1, 5)] == [0, 1, 5]
    assert len(claim(database, caps=caps)) == 4


def test_what_some_routes_leave_is_shared_among_the_others(database: Database) -> None:
    for route, count in (("a", 1), ("b", 2), ("c", 9)):
        add(database, count, route)
    taken = [held.delivery.route for held in claim(database, caps={"local": 9})]
    assert {name: taken.count(name) for name in "abc"} == {"a": 1, "b": 2, "c": 6}
    assert len({held.delivery.id for held in claim(database, caps={"local": 12})}) == 3


def test_a_routes_own_cap_holds_within_one_claim_and_beside_the_others(database: Database) -> None:
    add(database, 5, "capped")
    add(database, 1, "free")
    put(database, add(database, 1, "capped", platform="elsewhere")[0], status="unknown", attempts=1)
    limits = {"capped": Limits(max_concurrent_runs=3)}
    taken = [held.delivery.route for held in claim(database, caps={"local": 9}, limits=limits)]
    assert sorted(taken) == ["capped", "capped", "free"]
    assert claim(database, caps={"local": 9}, limits=limits) == []


def test_a_day_begins_anew_at_midnight_and_goes_on_being_counted(database: Database) -> None:
    """What was started yesterday is not counted today: not by the first claim, nor by those after
    it.
    """
    add(database, 9, created_at=MIDNIGHT - DAY, due_at=MIDNIGHT - DAY)
    limits = {"triage": Limits(max_runs_per_day=2)}
    take = lambda now, limit=1: len(  # noqa: E731
        claim(database, caps={"local": 50}, limits=limits, now=now, limit=limit)
    )
    assert [take(MIDNIGHT - 60), take(MIDNIGHT - 50), take(MIDNIGHT - 40)] == [1, 1, 0]
    assert [take(MIDNIGHT), take(MIDNIGHT + 1), take(MIDNIGHT + 2)] == [1, 1, 0]
    assert [take(MIDNIGHT + DAY, 9), take(MIDNIGHT + DAY + 1, 9)] == [2, 0]


def test_the_count_of_a_day_is_of_that_day() -> None:
    limits = Limits(max_runs_per_day=3)
    first = record_starts(limits, RateState(), 2, MIDNIGHT)
    second = record_starts(limits, first, 1, MIDNIGHT + DAY)
    assert (second.day, second.starts, allowed_starts(limits, second, MIDNIGHT + DAY)) == (
        day_of(NOW) + 1,
        1,
        2,
    )
    assert record_starts(limits, second, 1, MIDNIGHT + DAY + 5).starts == 2
    assert (
        allowed_starts(limits, record_starts(limits, second, 9, MIDNIGHT + DAY), MIDNIGHT + DAY)
        == 0
    )


def begun(
    database: Database,
    delivery_id: str,
    lease: str,
    *,
    own: str = "own",
    platforms: tuple[str, ...] = ("local",),
) -> Claim | None:
    return database.write(
        lambda c: leases.begin_attempt(c, delivery_id, lease, own, platforms, NOW + 2)
    )


def leased(database: Database, **given: Any) -> tuple[str, Claim]:
    """A delivery that is leased, and whose attempt has yet to begin."""
    [one] = add(database, **given)
    [held] = database.write(
        lambda c: claims.claim(
            c, ClaimLimits(caps={"local": 5}), limit=9, now=NOW, lease="w", intents=False
        )
    )
    assert attempts(database, one) == []
    return one, held


def test_an_attempt_begins_under_a_lease_of_its_own(database: Database) -> None:
    check = bystanders(database)
    one, held = leased(database)
    taken: list[Claim | None] = []
    act = lambda: taken.append(begun(database, one, held.lease))  # noqa: E731
    assert changes(database, one, act) == {"lease": "own", "lease_until": NOW + 2 + LEASE}
    [mine] = taken
    assert mine is not None and (mine.delivery.id, mine.delivery.lease, mine.lease) == (
        one,
        "own",
        "own",
    )
    assert (mine.attempt, mine.began_at) == (1, NOW + 2)
    assert [(each.number, each.started_at) for each in attempts(database, one)] == [(1, NOW + 2)]
    check()


@pytest.mark.parametrize(
    "why", ["another lease", "another platform", "begun", "queued", "unknown", "another delivery"]
)
def test_an_attempt_that_is_not_there_to_begin_is_left_alone(database: Database, why: str) -> None:
    one, held = leased(database)
    given: dict[str, Any] = {"lease": held.lease}
    if why == "another lease":
        given["lease"] = "another"
    elif why == "another platform":
        given["platforms"] = ("other",)
    elif why == "begun":
        with database.engine.begin() as connection:
            connection.execute(
                insert(schema.attempt).values(delivery_id=one, number=1, started_at=NOW)
            )
    elif why in ("queued", "unknown"):
        put(database, one, status=why)
    known = attempts(database, one)
    other = add(database)[0] if why == "another delivery" else one
    assert changes(database, one, lambda: given.update(found=begun(database, other, **given))) == {}
    assert (given["found"], attempts(database, one)) == (None, known)


def test_a_heartbeat_keeps_the_leases_of_calls_under_way_and_no_others(database: Database) -> None:
    check = bystanders(database)
    mine, another, over = add(database, 3)
    for one, lease in ((mine, "mine"), (another, "another")):
        put(database, one, status="sending", lease=lease, lease_until=NOW + 1, slot=True)
    put(database, over, status="queued", lease="mine", lease_until=NOW + 1)
    beat = lambda *held: database.write(lambda c: leases.extend_leases(c, held, NOW + 5))  # noqa: E731
    assert changes(database, mine, lambda: beat("mine", "unheard-of")) == {
        "lease_until": NOW + 5 + LEASE
    }
    assert changes(database, mine, beat) == {}
    assert {row(database, schema.delivery, id=one)["lease_until"] for one in (another, over)} == {
        NOW + 1
    }
    check()


def test_what_is_handed_back_is_as_if_it_had_not_been_taken(database: Database) -> None:
    check = bystanders(database)
    [one] = add(database)
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=one, number=1, started_at=NOW - 9, outcome="refused"
            )
        )
    put(database, one, attempts=1)
    before = row(database, schema.delivery, id=one)
    [held] = claim(database)
    database.write(lambda c: leases.return_claims(c, [held]))
    assert row(database, schema.delivery, id=one) == before
    assert [each.number for each in attempts(database, one)] == [1]
    check()


def test_who_has_lost_a_lease_hands_nothing_back(database: Database) -> None:
    """Another worker is calling for it: back in the queue it would be started a second time."""
    [one] = add(database, on_unknown="retry")
    limits = {"triage": Limits(max_runs_per_day=2)}
    [first] = claim(database, limits=limits)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    [second] = claim(database, limits=limits, now=NOW + 600)
    assert (
        changes(database, one, lambda: database.write(lambda c: leases.return_claims(c, [first])))
        == {}
    )
    assert [each.number for each in attempts(database, one)] == [1, 2]
    assert row(database, schema.pace, route="triage")["starts"] == 2
    assert record(database, second, STARTED, NOW + 601) is Status.DELIVERED
    assert (
        changes(
            database,
            one,
            lambda: database.write(lambda c: leases.return_claims(c, [first, second])),
        )
        == {}
    )


# -- what an attempt came to

FREE: dict[str, Any] = {"lease": None, "lease_until": None}
DONE_WITH: dict[str, Any] = {**FREE, "slot": False}
OVER: dict[str, tuple[Outcome, dict[str, Any]]] = {
    "started": (
        STARTED,
        {
            **FREE,
            "status": "delivered",
            "attempts": 1,
            "delivered_at": NOW + 1,
            "run_id": "r1",
            "run_url": "https://x/r1",
            "run_state": "queued",
            "poll_at": NOW + 1 + 2.5,
        },
    ),
    "refused": (
        REFUSED,
        {
            **DONE_WITH,
            "status": "queued",
            "attempts": 1,
            "reason": "down",
            "due_at": NOW + 1 + 5.0 * 0.5,
        },
    ),
    "rejected": (
        REJECTED,
        {
            **DONE_WITH,
            "status": "dead",
            "attempts": 1,
            "reason": "400 bad",
            "dead_kind": "platform",
            "finished_at": NOW + 1,
        },
    ),
    "throttled": (THROTTLED, {**DONE_WITH, "status": "queued", "throttled": 1, "reason": "full"}),
    "unknown": (
        UNKNOWN,
        {
            **DONE_WITH,
            "status": "unknown",
            "attempts": 1,
            "reason": "no answer",
            "poll_at": NOW + 77,
        },
    ),
    "not made": (
        replace(REFUSED, made=False),
        {
            **DONE_WITH,
            "status": "queued",
            "throttled": 1,
            "reason": "down",
            "due_at": NOW + 1 + 5.0 * 0.5,
        },
    ),
}


@pytest.mark.parametrize("name", OVER)
def test_an_outcome_changes_what_it_says_and_nothing_else(database: Database, name: str) -> None:
    outcome, expected = OVER[name]
    check = bystanders(database)
    [one] = add(database, retry=Retry(5, 5.0, 100.0))
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.delivery).where(schema.delivery.c.id == one).values(polls=7)
        )
    [held] = claim(database)
    settle = EndedAttempt(held, outcome, 2.5, NOW + 77)
    act = lambda: database.write(lambda c: ledger.record_attempts(c, [settle], NOW + 1, jitter=0.5))  # noqa: E731
    assert changes(database, one, act) == {**expected, "polls": 0}
    [kept] = attempts(database, one)
    assert (
        kept.outcome,
        kept.status_code,
        kept.detail,
        kept.run_id,
        kept.finished_at,
        kept.late_at,
    ) == (
        outcome.kind.value,
        outcome.status_code,
        outcome.detail or None,
        outcome.run_id,
        NOW + 1,
        None,
    )
    check()


def test_a_run_is_looked_at_at_once_where_its_platform_says_so(database: Database) -> None:
    [one] = add(database)
    record(database, claim(database)[0], STARTED, first_poll=0.0)
    assert row(database, schema.delivery, id=one)["poll_at"] == NOW + 1


def test_several_outcomes_at_once_each_move_their_own(database: Database) -> None:
    ids = add(database, 4)
    held = claim(database)
    outcomes = [STARTED, REFUSED, REJECTED, UNKNOWN]
    settled = [EndedAttempt(one, outcome, 1.0) for one, outcome in zip(held, outcomes, strict=True)]
    database.write(lambda c: leases.return_claims(c, held[:1]))
    moved = database.write(lambda c: ledger.record_attempts(c, settled, NOW + 1, jitter=0.5))
    assert moved == [None, Status.QUEUED, Status.DEAD, Status.UNKNOWN]
    assert [get(database, one).status.value for one in ids] == [
        "queued",
        "queued",
        "dead",
        "unknown",
    ]
    assert database.write(lambda c: ledger.record_attempts(c, [], NOW + 1, jitter=0.5)) == []


@pytest.mark.parametrize(
    "outcome", [REFUSED, REJECTED, THROTTLED, UNKNOWN], ids=lambda one: one.kind.value
)
def test_a_late_answer_that_is_no_start_leaves_what_is_unknown_to_be_settled(
    database: Database, outcome: Outcome
) -> None:
    """Its delivery may have a run, whatever this answer says: `refused` may be that of a proxy.
    Nothing is counted or given back.
    """
    add(database, 2)
    limits = {"triage": Limits(max_runs_per_day=2)}
    [held, _] = claim(database, limits=limits)
    one = held.delivery.id
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: NOW + 99))
    statuses: list[Any] = []
    assert (
        changes(database, one, lambda: statuses.append(record(database, held, outcome, NOW + 61)))
        == {}
    )
    assert (statuses, get(database, one).status) == ([None], Status.UNKNOWN)
    [kept] = attempts(database, one)
    assert (kept.outcome, kept.detail, kept.finished_at, kept.late_at) == (
        outcome.kind.value,
        outcome.detail,
        NOW + 61,
        None,
    )
    assert row(database, schema.pace, route="triage")["starts"] == 2


def test_a_late_start_settles_what_is_unknown_and_counts_nothing_again(database: Database) -> None:
    [one] = add(database)
    [held] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: NOW + 99))
    assert changes(database, one, lambda: record(database, held, STARTED, NOW + 61)) == {
        "status": "delivered",
        "reason": None,
        "delivered_at": NOW + 61,
        "run_id": "r1",
        "run_url": "https://x/r1",
        "run_state": "queued",
        "slot": True,
        "poll_at": NOW + 62,
    }


def test_a_late_start_settles_what_is_unknown_after_calls_that_were_not_counted_too(
    database: Database,
) -> None:
    [one] = add(database)
    put(database, one, throttled=2)
    [held] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: NOW + 99))
    assert record(database, held, STARTED, NOW + 61) is Status.DELIVERED


def test_what_came_to_nothing_is_given_back_to_its_day_once(database: Database) -> None:
    add(database, 4)
    limits = {"triage": Limits(max_runs_per_day=9)}
    starts = lambda: row(database, schema.pace, route="triage")["starts"]  # noqa: E731
    refused, rejected, throttled, started = claim(database, limits=limits)
    for held, outcome, left in (
        (refused, REFUSED, 3),
        (rejected, REJECTED, 2),
        (throttled, THROTTLED, 1),
        (started, STARTED, 1),
    ):
        record(database, held, outcome)
        assert starts() == left
        record(database, held, outcome)
        assert starts() == left


def test_a_run_that_was_followed_to_its_end_is_not_named_as_one_that_nobody_follows(
    database: Database,
) -> None:
    """The same answer comes a second time, when another run has been asked for."""
    [one] = add(database, on_run_failed="retry", run_retries=1)
    [held] = claim(database)
    record(database, held, STARTED)
    look_at(database, one, BROKE, NOW + 5)
    assert get(database, one).status is Status.QUEUED
    assert record(database, held, STARTED, NOW + 6) is None
    assert (late_starts(database), attempts(database, one)[0].late_at) == ([], None)


def test_an_answer_that_is_told_twice_names_nothing(database: Database) -> None:
    """Its run is the delivery's, or the delivery was deleted meanwhile."""
    [one] = add(database)
    [held] = claim(database)
    assert [record(database, held, STARTED), record(database, held, STARTED)] == [
        Status.DELIVERED,
        None,
    ]
    assert (late_starts(database), attempts(database, one)[0].late_at) == ([], None)
    gone = replace(held, delivery=replace(held.delivery, id="dlv_gone"))
    assert record(database, gone, STARTED) is None


def test_only_the_attempt_whose_answer_is_late_is_named(database: Database) -> None:
    [one] = add(database, on_unknown="retry")
    for number in (1, 2):
        [held] = claim(database, now=NOW + 600 * number)
        database.write(
            lambda c, number=number: ledger.reap_expired(
                c, NOW + 600 * number + 60, 0.0, lambda _: None
            )
        )
    record(database, held, STARTED, NOW + 2000)
    assert [(each.number, each.late_at, each.run_id) for each in attempts(database, one)] == [
        (1, None, None),
        (2, NOW + 2000, "r1"),
    ]


# -- taking over

REAPED: dict[str, Any] = {
    **DONE_WITH,
    "status": "unknown",
    "attempts": 1,
    "reason": WORKER_DIED.detail,
    "poll_at": NOW + 99,
}


def test_one_whose_call_had_begun_is_unknown(database: Database) -> None:
    check = bystanders(database)
    [one] = add(database)
    claim(database)
    asked: list[Claim] = []
    found: list[Any] = []
    reap = lambda: found.extend(  # noqa: E731
        database.write(
            lambda c: ledger.reap_expired(
                c, NOW + 60, 0.0, lambda claim: (asked.append(claim), NOW + 99)[1]
            )
        )
    )
    assert changes(database, one, reap) == REAPED
    [(taken, status)] = found
    assert (taken.delivery.id, taken.attempt, taken.lease, taken.began_at, status) == (
        one,
        1,
        f"w:{NOW}",
        NOW,
        Status.UNKNOWN,
    )
    assert [(each.delivery.id, each.attempt, each.began_at) for each in asked] == [(one, 1, NOW)]
    [kept] = attempts(database, one)
    assert (kept.outcome, kept.detail, kept.finished_at) == (
        "unknown",
        WORKER_DIED.detail,
        NOW + 60,
    )
    check()


def test_one_whose_call_had_not_begun_goes_back_to_the_queue_and_its_earlier_attempts_stay(
    database: Database,
) -> None:
    check = bystanders(database)
    [one] = add(database)
    record(database, claim(database)[0], THROTTLED, NOW)
    database.write(
        lambda c: claims.claim(
            c, ClaimLimits(caps={"local": 5}), limit=9, now=NOW, lease="w", intents=False
        )
    )
    found: list[Any] = []
    act = lambda: found.extend(  # noqa: E731
        database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: NOW + 99))
    )
    assert changes(database, one, act) == {**DONE_WITH, "status": "queued"}
    [(taken, status)] = found
    assert (taken.delivery.id, taken.attempt, taken.lease, status) == (one, 0, "w", Status.QUEUED)
    assert [(each.number, each.outcome) for each in attempts(database, one)] == [(1, "throttled")]
    check()


def test_a_lease_is_good_until_its_last_moment(database: Database) -> None:
    [one] = add(database)
    claim(database)
    reap = lambda now: [  # noqa: E731
        each.delivery.id
        for each, _ in database.write(lambda c: ledger.reap_expired(c, now, 0.0, lambda _: None))
    ]
    assert [reap(NOW + LEASE), reap(NOW + LEASE + 0.5), reap(NOW + LEASE + 1)] == [[], [one], []]


def test_of_several_open_attempts_the_last_is_the_one(database: Database) -> None:
    [one] = add(database)
    put(database, one, status="sending", lease="w", lease_until=NOW, attempts=1)
    with database.engine.begin() as connection:
        for number in (1, 2):
            connection.execute(
                insert(schema.attempt).values(
                    delivery_id=one, number=number, started_at=NOW + number
                )
            )
    [(taken, _)] = database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    assert (taken.attempt, taken.began_at) == (2, NOW + 2)


# -- by hand

AGAIN: dict[str, Any] = {"status": "queued", "due_at": NOW + 9, "reason": "by hand"}
STANDS: dict[str, tuple[dict[str, Any], Status, str | None, dict[str, Any]]] = {
    "a dead one again": (
        {
            "status": "dead",
            "dead_kind": "platform",
            "attempts": 3,
            "finished_at": NOW,
            "reason": "gave up",
        },
        Status.QUEUED,
        None,
        {**AGAIN, "dead_kind": None, "finished_at": None, "retry_attempts": 15},
    ),
    "an unknown one again": (
        {"status": "unknown", "attempts": 1, "poll_at": NOW, "slot": True},
        Status.QUEUED,
        None,
        {**AGAIN, "poll_at": None, "slot": False, "retry_attempts": 13},
    ),
    "one with a run again": (
        {
            "status": "delivered",
            "attempts": 1,
            "poll_at": NOW,
            "slot": True,
            "run_id": "r",
            "run_url": "u",
            "run_state": "failed",
            "raw_state": "FAILED",
            "outputs": "{}",
            "log": "[]",
            "delivered_at": NOW,
            "finished_at": NOW,
        },
        Status.QUEUED,
        None,
        {
            **AGAIN,
            "poll_at": None,
            "slot": False,
            "retry_attempts": 13,
            "reruns": 1,
            **dict.fromkeys(
                (
                    "run_id",
                    "run_url",
                    "run_state",
                    "raw_state",
                    "outputs",
                    "log",
                    "delivered_at",
                    "finished_at",
                )
            ),
        },
    ),
    "a merged one again": (
        {"status": "cancelled", "merged_into": "dlv", "finished_at": NOW},
        Status.QUEUED,
        None,
        {**AGAIN, "merged_into": None, "finished_at": None},
    ),
    "an unknown one with a run": (
        {"status": "unknown", "attempts": 1, "poll_at": NOW},
        Status.DELIVERED,
        "r9",
        {
            "status": "delivered",
            "reason": "by hand",
            "delivered_at": NOW + 9,
            "run_id": "r9",
            "run_state": "queued",
            "slot": True,
            "poll_at": NOW + 9,
        },
    ),
    "an unknown one without": (
        {"status": "unknown", "attempts": 1, "poll_at": NOW},
        Status.DELIVERED,
        None,
        {
            "status": "delivered",
            "reason": "by hand",
            "delivered_at": NOW + 9,
            "finished_at": NOW + 9,
            "poll_at": None,
        },
    ),
    "an unknown one given up": (
        {"status": "unknown", "attempts": 1, "poll_at": NOW},
        Status.DEAD,
        None,
        {
            "status": "dead",
            "reason": "by hand",
            "dead_kind": "person",
            "finished_at": NOW + 9,
            "poll_at": None,
        },
    ),
    "a queued one cancelled": (
        {"debounce_key": "k", "debounce_until": NOW + 5},
        Status.CANCELLED,
        None,
        {
            "status": "cancelled",
            "reason": "by hand",
            "finished_at": NOW + 9,
            "debounce_until": None,
        },
    ),
    "a parked one cancelled": (
        {"status": "dead", "dead_kind": "ours", "reason": "no such field"},
        Status.CANCELLED,
        None,
        {"status": "cancelled", "reason": "by hand: no such field", "finished_at": NOW + 9},
    ),
}


@pytest.mark.parametrize("name", STANDS)
def test_a_move_by_hand_changes_what_it_says_and_nothing_else(
    database: Database, name: str
) -> None:
    stands, to, run_id, expected = STANDS[name]
    check = bystanders(database)
    [one] = add(database)
    put(database, one, **stands)
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=one, number=1, started_at=NOW, outcome="unknown", late_at=NOW
            )
        )
    act = lambda: database.write(  # noqa: E731
        lambda c: transitions.move(c, one, to, NOW + 9, reason="by hand", run_id=run_id)
    )
    assert changes(database, one, act) == expected
    assert attempts(database, one)[0].late_at is None
    check()


# -- runs that are followed

REPORTS: dict[str, tuple[RunReport, bool, dict[str, Any]]] = {
    "goes on": (
        RunReport(state=RunState.RUNNING, raw_state="RUNNING", log=("a",)),
        False,
        {
            "polls": 1,
            "poll_at": NOW + 7,
            "run_state": "running",
            "raw_state": "RUNNING",
            "log": '["a"]',
        },
    ),
    "not told": (RunReport(state=None), False, {"polls": 1, "poll_at": NOW + 7}),
    "done": (
        RunReport(state=RunState.DONE, raw_state="DONE", outputs={"a": 1}, finished_at=NOW + 4),
        True,
        {
            "polls": 1,
            "poll_at": None,
            "slot": False,
            "run_state": "done",
            "raw_state": "DONE",
            "outputs": '{"a":1}',
            "finished_at": NOW + 4,
        },
    ),
    "done, nobody knows when": (
        RunReport(state=RunState.DONE),
        True,
        {"polls": 1, "poll_at": None, "slot": False, "run_state": "done", "finished_at": NOW + 5},
    ),
    "gone": (
        RunReport(state=None, gone=True),
        True,
        {"polls": 1, "poll_at": None, "slot": False, "reason": run_tracking.RUN_GONE},
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_a_run_changes_what_it_says_and_nothing_else(
    database: Database, name: str
) -> None:
    """Also one of a run that is gone, or was not seen to end: its slot is another's from then
    on.
    """
    report, over, expected = REPORTS[name]
    check = bystanders(database)
    [one] = add(database)
    run_of(database)
    followed = get(database, one)
    found = list[bool]()
    act = lambda: found.append(  # noqa: E731
        database.write(
            lambda c: run_tracking.record_run(c, followed, report, NOW + 5, next_poll=2.0)
        )
    )
    assert (changes(database, one, act), found) == (expected, [over])
    if over:
        assert changes(database, one, act) == {} and found == [
            True,
            False,
        ], "a second report changes nothing"
        assert len(claim(database, caps={"local": 1})) == 0
        assert add(database) == [held.delivery.id for held in claim(database, caps={"local": 1})]
    check()


def test_a_run_is_given_up_only_after_its_time(database: Database) -> None:
    [one] = add(database, run_timeout=60.0)
    run_of(database)
    going = RunReport(state=RunState.RUNNING)
    assert not look_at(database, one, going, NOW + 61)
    act = lambda: look_at(database, one, going, NOW + 61.5)  # noqa: E731
    expected = {
        "polls": 2,
        "poll_at": None,
        "slot": False,
        "reason": "the run was not seen to end within 60 s",
    }
    assert changes(database, one, act) == expected


# -- merging

ENDED = [("dead", "platform"), ("delivered", None), ("sending", None), ("unknown", None)]


@pytest.mark.parametrize(("status", "dead_kind"), ENDED)
def test_only_what_waits_is_merged(database: Database, status: str, dead_kind: str | None) -> None:
    """Nothing that is over or under way has a time to be merged in, unless somebody wrote to the
    store by hand.
    """
    first = arrive(database, NOW)
    put(database, first, status=status, dead_kind=dead_kind)
    found: list[str] = []
    assert changes(database, first, lambda: found.append(arrive(database, NOW + 1))) == {}
    assert get(database, found[0]).status is Status.QUEUED


# -- starts without an answer: whose run may it be?

FLOW: dict[str, Any] = {"platform": "gumloop", "flow": "triage", "saved_item_id": "q3da"}
WINDOW = 30.0 + 2 * reconcile.MAX_SKEW_SECONDS


def clocks_at(at: float) -> ClockReading:
    """Return what the clocks of one machine show, none of which was ever set."""
    return ClockReading(at=at, boot_clock=at - NOW + 10_000.0, boot_id="boot", host="host")


def begin(
    database: Database,
    at: float,
    outcome: Outcome | None = UNKNOWN,
    clocks: ClockReading | None = None,
    **given: Any,
) -> str:
    """A delivery for the flow whose call began at a time, and is under way where it has no
    outcome.
    """
    [one] = add(database, **{**FLOW, "created_at": at - 1000, "due_at": at - 1000, **given})
    taken = claim(
        database,
        caps={given.get("platform", "gumloop"): 99},
        now=at,
        clocks=clocks or clocks_at(at),
    )
    [held] = [each for each in taken if each.delivery.id == one]
    if outcome is not None:
        record(database, held, outcome, at + 1)
    return one


def case(database: Database, delivery_id: str) -> unknown_starts.UnknownStart:
    with database.read() as connection:
        found = unknown_starts.read_unknown_start(connection, delivery_id)
    assert found is not None
    return found


def looked(
    known: unknown_starts.UnknownStart,
    *candidates: reconcile.Candidate,
    at: float = NOW + 100,
    **more: Any,
) -> reconcile_store.PollAnswers:
    look = reconcile.Look(
        at=at,
        window=attempt_window(known.began_at, 30.0),
        listed=len(candidates),
        candidates=candidates,
    )
    return reconcile_store.PollAnswers(
        **{"look": look, "reports": {}, "exclusive": True, "next_look": 5.0, **more}
    )


def rivals(database: Database, delivery_id: str) -> list[tuple[str, str, bool]]:
    known = case(database, delivery_id)
    with database.read() as connection:
        found = unknown_starts.find_rivals(connection, known, looked(known).look)
    return [(one.delivery_id, one.event_id, one.is_open) for one in found]


RUN = reconcile.Candidate(run_id="r1", created_at=NOW + 2, state=RunState.DONE)


@pytest.mark.parametrize("offset", [-20.0, 20.0, -WINDOW + 1, WINDOW - 1])
@pytest.mark.parametrize("is_open", [True, False], ids=["under way", "without an answer"])
def test_a_run_that_may_be_anothers_is_not_adopted(
    database: Database, is_open: bool, offset: float
) -> None:
    """Also where the other call began earlier, and where it goes on: it may be the one that has
    started the only run there is.
    """
    one = begin(database, NOW)
    other = begin(database, NOW + offset, None if is_open else UNKNOWN)
    assert rivals(database, one) == [(other, get(database, other).event_id, is_open)]
    known = case(database, one)
    settle = lambda c: reconcile_store.resolve(c, known, looked(known, RUN), NOW + 100, jitter=0.5)  # noqa: E731
    evidence, status = database.write(settle)  # type: ignore[misc]
    assert (evidence.decision.verdict.value, status) == (
        "again" if is_open else "hold",
        Status.UNKNOWN,
    )
    assert (get(database, one).run_id, other in evidence.decision.why) == (None, True)


OTHERS: dict[str, tuple[float, Outcome | None, dict[str, Any], dict[str, Any]]] = {
    "too early": (-WINDOW - 1, UNKNOWN, {}, {}),
    "too late": (WINDOW + 1, UNKNOWN, {}, {}),
    "under way, too early": (-WINDOW - 1, None, {}, {}),
    "another flow": (20.0, UNKNOWN, {"saved_item_id": "other"}, {}),
    "another platform": (20.0, UNKNOWN, {"platform": "other"}, {}),
    "another flow, under way": (20.0, None, {"saved_item_id": "other"}, {}),
    "started": (20.0, STARTED, {}, {}),
    "refused": (20.0, REFUSED, {}, {}),
    "found since, and followed": (20.0, UNKNOWN, {}, {"status": "delivered", "run_id": "r7"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_start_that_cannot_have_made_the_run_is_in_nobodys_way(
    database: Database, name: str
) -> None:
    offset, outcome, given, stands = OTHERS[name]
    one = begin(database, NOW)
    other = begin(database, NOW + offset, outcome, **given)
    if stands:
        put(database, other, **stands)
    assert rivals(database, one) == []


DAYS = 2 * 86400.0
ELSEWHERE: dict[str, Any] = {"boot_id": "another"}


@pytest.mark.parametrize("is_open", [True, False], ids=["under way", "without an answer"])
@pytest.mark.parametrize(
    ("at", "clocks", "is_rival"),
    [
        # The wall clock was set in between: by the boot clock the other is of another time, or of
        # the same.
        *((sign * (WINDOW - 1), {"boot_clock": 90_000.0}, True) for sign in (1, -1)),
        *((sign * (WINDOW + 1), {"boot_clock": 90_000.0}, False) for sign in (1, -1)),
        *((9000.0, {"boot_clock": 10_000.0 + sign * (WINDOW - 1)}, True) for sign in (1, -1)),
        *((9000.0, {"boot_clock": 10_000.0 + sign * (WINDOW + 1)}, False) for sign in (1, -1)),
        # Of another boot the platform's clock counts.
        *(
            (9000.0, {**ELSEWHERE, "platform_at": NOW + 5 + sign * (WINDOW - 1)}, True)
            for sign in (1, -1)
        ),
        *(
            (9000.0, {**ELSEWHERE, "platform_at": NOW + 5 + sign * (WINDOW + 1)}, False)
            for sign in (1, -1)
        ),
        *(
            (sign * (WINDOW - 1), {**ELSEWHERE, "platform_at": NOW + 9000}, True)
            for sign in (1, -1)
        ),
        # Where no clock tells, those of two days may be of the same time.
        *((sign * (DAYS - 1), ELSEWHERE, True) for sign in (1, -1)),
        *((sign * (DAYS + 1), ELSEWHERE, False) for sign in (1, -1)),
        (9000.0, {"host": "another"}, True),
    ],
)
def test_who_may_be_of_the_same_time_is_told_by_any_clock_of_both(
    database: Database, at: float, clocks: dict[str, Any], is_rival: bool, is_open: bool
) -> None:
    known = replace(clocks_at(NOW), platform_at=NOW + 5)
    one = begin(database, NOW, clocks=known)
    read = replace(known, at=NOW + at, **{"platform_at": None, **clocks})
    other = begin(database, NOW + at, None if is_open else UNKNOWN, read)
    assert [found[0] for found in rivals(database, one)] == ([other] if is_rival else [])


def test_an_earlier_start_without_an_answer_counts_whatever_has_become_of_its_delivery(
    database: Database,
) -> None:
    """Its delivery has been started again since, and has another run; that of the first attempt may
    still be the one that is found.
    """
    one = begin(database, NOW)
    other = begin(database, NOW + 20)
    database.write(lambda c: transitions.move(c, other, Status.QUEUED, NOW + 30))
    [held] = claim(database, caps={"gumloop": 99}, now=NOW + 1000)
    record(database, held, replace(STARTED, run_id="r9"), NOW + 1001)
    assert [(found[0], found[2]) for found in rivals(database, one)] == [(other, False)]
    with database.engine.begin() as connection:
        first = (schema.attempt.c.delivery_id == other) & (schema.attempt.c.number == 1)
        connection.execute(update(schema.attempt).where(first).values(run_id="r5"))
    assert rivals(database, one) == [], "somebody has said which run it was"


def test_a_call_that_was_not_answered_is_open_no_more(database: Database) -> None:
    """Its delivery is being sent again: of its attempts only the one without an outcome is under
    way.
    """
    one = begin(database, NOW)
    other = begin(database, NOW + 20, REFUSED)
    claim(database, caps={"gumloop": 99}, now=NOW + 1000, clocks=clocks_at(NOW + 1000))
    assert get(database, other).status is Status.SENDING
    assert rivals(database, one) == []


def test_a_run_is_linked_to_the_delivery_that_has_it_and_to_each_attempt_that_started_one(
    database: Database,
) -> None:
    sent_again = begin(database, NOW, replace(STARTED, run_id="of an attempt"))
    put(database, sent_again, run_id="of the next one")
    named = begin(database, NOW)
    database.write(
        lambda c: transitions.move(c, named, Status.DELIVERED, NOW + 9, run_id="of a delivery")
    )
    with database.read() as connection:
        asked = ["of an attempt", "of the next one", "of a delivery", "free"]
        owners = unknown_starts.find_run_owners(connection, asked)
        assert unknown_starts.find_run_owners(connection, []) == {}
    of_attempt = dict.fromkeys(asked[:2], sent_again)
    assert {id_: owner.delivery_id for id_, owner in owners.items()} == {
        **of_attempt,
        "of a delivery": named,
    }


def test_a_case_is_the_last_attempt_of_what_is_unknown(database: Database) -> None:
    one = begin(database, NOW)
    sent = begin(database, NOW, None)
    with database.read() as connection:
        assert [
            unknown_starts.read_unknown_start(connection, each) for each in (sent, "dlv_none")
        ] == [
            None,
            None,
        ]
    assert (case(database, one).attempt, case(database, one).began_at) == (1, NOW)
    put(database, one, throttled=1)
    with database.read() as connection:
        assert unknown_starts.read_unknown_start(connection, one) is None, (
            "the attempt of that number is not known"
        )
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(delivery_id=one, number=2, started_at=NOW + 50)
        )
    assert (case(database, one).attempt, case(database, one).began_at) == (2, NOW + 50)


def settled(
    database: Database,
    delivery_id: str,
    *candidates: reconcile.Candidate,
    at: float = NOW + 100,
    **more: Any,
) -> dict[str, Any]:
    """What changes of a delivery when a look has found these runs, without its evidence."""
    known = case(database, delivery_id)
    answers = looked(known, *candidates, at=at, **more)
    act = lambda: database.write(  # noqa: E731 - as the others of this file
        lambda c: reconcile_store.resolve(c, known, answers, at, jitter=0.5)
    )
    changed = changes(database, delivery_id, act)
    assert changed.pop("evidence") is not None
    return changed


def test_a_run_that_goes_on_is_adopted_and_followed(database: Database) -> None:
    check = bystanders(database)
    one = begin(database, NOW)
    report = RunReport(state=RunState.RUNNING, raw_state="RUNNING", created_at=NOW + 2)
    assert settled(database, one, replace(RUN, state=RunState.RUNNING), reports={"r1": report}) == {
        "status": "delivered",
        "reason": None,
        "run_id": "r1",
        "run_state": "running",
        "raw_state": "RUNNING",
        "slot": True,
        "polls": 1,
        "delivered_at": NOW + 2,
        "poll_at": NOW + 105,
    }
    [kept] = attempts(database, one)
    assert (kept.outcome, kept.run_id, kept.detail, kept.finished_at) == (
        "started",
        "r1",
        "no answer; its run was found",
        NOW + 1,
    )
    check()


def test_a_run_that_is_over_is_adopted_and_over(database: Database) -> None:
    one = begin(database, NOW)
    report = RunReport(state=RunState.DONE, raw_state="DONE", outputs={}, finished_at=NOW + 9)
    assert settled(database, one, RUN, reports={"r1": report}) == {
        "status": "delivered",
        "reason": None,
        "run_id": "r1",
        "run_state": "done",
        "raw_state": "DONE",
        "outputs": "{}",
        "polls": 1,
        "delivered_at": NOW + 100,
        "finished_at": NOW + 9,
    }


def test_a_run_that_failed_is_adopted_and_what_follows_follows(database: Database) -> None:
    one = begin(database, NOW, on_run_failed="dead")
    known = case(database, one)
    answers = looked(known, RUN, reports={"r1": RunReport(state=RunState.FAILED, log=("broke",))})
    _, status = database.write(
        lambda c: reconcile_store.resolve(c, known, answers, NOW + 100, jitter=0.5)
    )  # type: ignore[misc]
    assert (status, get(database, one).status, get(database, one).run_id) == (
        Status.DEAD,
        Status.DEAD,
        "r1",
    )


def test_a_start_of_which_two_looks_find_nothing_is_made_again_and_was_none(
    database: Database,
) -> None:
    check = bystanders(database)
    with database.engine.begin() as connection:
        throttling.write_pace(connection, "triage", RateState(day=day_of(NOW), starts=3))
    one = begin(database, NOW)
    assert settled(database, one) == {
        "poll_at": NOW + 100 + TIMINGS.reconcile_confirm_seconds,
        "polls": 1,
    }
    assert settled(database, one, at=NOW + 131) == {
        "status": "queued",
        "due_at": NOW + 131,
        "reason": "no answer; no run found afterwards: sent again",
        "polls": 2,
        "poll_at": None,
    }
    [kept] = attempts(database, one)
    assert (kept.outcome, kept.run_id, kept.detail) == (
        "refused",
        None,
        "no answer; no run found afterwards",
    )
    assert row(database, schema.pace, route="triage")["starts"] == 2
    check()


def test_the_last_start_of_which_nothing_is_found_is_dead(database: Database) -> None:
    one = begin(database, NOW, retry=Retry(1, 1.0, 1.0), order=Order(key="k"))
    [behind] = add(database, **FLOW, order=Order(key="k"))
    settled(database, one)
    assert settled(database, one, at=NOW + 131) == {
        "status": "dead",
        "reason": "gave up after 1 attempt: no answer; no run found afterwards",
        "dead_kind": "platform",
        "polls": 2,
        "finished_at": NOW + 131,
        "poll_at": None,
        "holds_key": False,
    }
    assert get(database, behind).status is Status.QUEUED


@pytest.mark.parametrize(("until", "then"), [("delivered", "queued"), ("run_end", "blocked")])
def test_one_whose_run_is_found_lets_the_next_go_as_its_line_says(
    database: Database, until: Any, then: str
) -> None:
    order = Order(key="k", until=until)
    one = begin(database, NOW, order=order)
    [behind] = add(database, **FLOW, order=order)
    settled(
        database,
        one,
        replace(RUN, state=RunState.RUNNING),
        reports={"r1": RunReport(state=RunState.RUNNING)},
    )
    assert get(database, behind).status == then


def test_what_cannot_be_decided_is_left_to_a_person_and_not_looked_for_any_more(
    database: Database,
) -> None:
    check = bystanders(database)
    one = begin(database, NOW)
    put(database, one, poll_at=NOW + 70)
    changed = settled(database, one, RUN, exclusive=False)
    assert changed.pop("reason").startswith("r1 (done) may be its run") and changed == {
        "polls": 1,
        "poll_at": None,
    }
    assert attempts(database, one)[0].outcome == "unknown"
    check()


@pytest.mark.parametrize("why", ["another status", "another attempt"])
@pytest.mark.parametrize("verdict", ["adopt", "again", "queue", "hold"])
def test_a_look_for_what_is_something_else_by_now_changes_nothing(
    database: Database, verdict: str, why: str
) -> None:
    one = begin(database, NOW)
    if verdict == "queue":
        settled(database, one)
    known = case(database, one)
    given = {"adopt": (RUN,), "again": (), "queue": (), "hold": (RUN,)}[verdict]
    answers = looked(known, *given, at=NOW + 200, exclusive=verdict == "adopt")
    put(
        database,
        one,
        **(
            {"status": "dead", "dead_kind": "person"}
            if why == "another status"
            else {"throttled": 1}
        ),
    )
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=one, number=2, started_at=NOW + 50, outcome="unknown"
            )
        )
    tried = attempts(database, one)
    found: list[Any] = []
    settle = lambda: found.append(  # noqa: E731
        database.write(lambda c: reconcile_store.resolve(c, known, answers, NOW + 200, jitter=0.5))
    )
    assert (changes(database, one, settle), found, attempts(database, one)) == ({}, [None], tried)
    postpone = lambda: database.write(lambda c: reconcile_store.postpone(c, known, NOW + 999))  # noqa: E731
    assert changes(database, one, postpone) == {}


def test_a_look_that_is_put_off_is_made_later(database: Database) -> None:
    check = bystanders(database)
    one = begin(database, NOW)
    known = case(database, one)
    act = lambda: database.write(lambda c: reconcile_store.postpone(c, known, NOW + 999))  # noqa: E731
    assert changes(database, one, act) == {"poll_at": NOW + 999}
    check()


# -- runs of the local platform


def run_row(database: Database, run_id: str) -> dict[str, Any]:
    return row(database, schema.local_run, id=run_id)


def two_leases(database: Database) -> tuple[str, str]:
    """A run that the worker `old` has lost to the worker `new`, and one that `new` had from the
    beginning.
    """
    flow = flows.LocalFlow(id="again", workbook="flows.py", idempotent=True)
    database.write(lambda c: flows.replace(c, [flow], NOW))
    lost = database.write(lambda c: runs.start(c, make_local_run("again"))).id
    assert [each.id for each in database.write(lambda c: runs.claim(c, 9, NOW, "old"))] == [lost]
    assert database.write(lambda c: runs.abandon_running(c, NOW + 60)) == [lost]
    own = database.write(lambda c: runs.start(c, make_local_run())).id
    assert {each.id for each in database.write(lambda c: runs.claim(c, 9, NOW + 60, "new"))} == {
        lost,
        own,
    }
    return lost, own


def test_a_worker_that_has_lost_a_run_is_told_so_and_extends_nothing(database: Database) -> None:
    lost, own = two_leases(database)
    before = run_row(database, lost)
    extend = lambda lease, now, *ids: database.write(  # noqa: E731
        lambda c: runs.extend_leases(c, lease, now, ids, dict.fromkeys(ids, f'["by {lease}"]'))
    )
    assert extend("old", NOW + 65, lost) == set()
    assert run_row(database, lost) == before
    assert extend("new", NOW + 66, lost) == {lost}
    after = run_row(database, lost)
    assert (after["lease_until"], after["log"], after["lease"]) == (
        NOW + 66 + LEASE,
        '["by new"]',
        "new",
    )
    assert (run_row(database, own)["lease_until"], run_row(database, own)["log"]) == (
        NOW + 60 + LEASE,
        None,
    ), "it was not asked for"


def test_a_worker_that_has_lost_a_run_ends_and_returns_nothing_of_it(database: Database) -> None:
    lost, _ = two_leases(database)
    before = run_row(database, lost)
    assert not database.write(
        lambda c: runs.finish(c, lost, RunResult(state=LocalState.DONE), NOW + 65, "old")
    )
    database.write(lambda c: runs.return_to_queue(c, [lost], "old", NOW + 65))
    database.write(lambda c: runs.interrupt(c, [lost], "it was stopped", NOW + 65, "old"))
    assert run_row(database, lost) == before
    with database.read() as connection:
        assert runs.list_terminating(connection, "old") == []
    database.write(lambda c: runs.kill(c, lost, NOW + 66))
    with database.read() as connection:
        assert (
            runs.list_terminating(connection, "old"),
            runs.list_terminating(connection, "new"),
        ) == (
            [],
            [lost],
        )


def test_a_run_that_is_over_is_extended_by_nobody(database: Database) -> None:
    lost, own = two_leases(database)
    assert database.write(
        lambda c: runs.finish(c, lost, RunResult(state=LocalState.DONE), NOW + 65, "new")
    )
    assert database.write(lambda c: runs.extend_leases(c, "new", NOW + 66, [lost, own], {})) == {
        own
    }
    assert not database.write(
        lambda c: runs.finish(c, lost, RunResult(state=LocalState.FAILED), NOW + 67, "new")
    )
    assert run_row(database, lost)["state"] == "DONE"


# -- what is old


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_is_needed_is_neither_counted_as_old_nor_free(database: Database, name: str) -> None:
    """Each of the two looks says so by itself: that of the reader, and the one just before the rows
    are taken out.
    """
    event, needed = old_event(database, **UNFINISHED[name])  # type: ignore[arg-type]
    stands = row(database, schema.delivery, id=needed.id)
    assert {column: stands[column] for column in UNFINISHED[name]} == UNFINISHED[name]
    assert bool(stands["holds_key"]) is (name == "the head of its line")
    gone, _ = old_event(database)
    old = Pruning(database, CONFIG, NOW)
    assert [
        (one["kind"], one["rows"]) for one in prune.count_expired(old) if one["kind"] == "events"
    ] == [("events", 1)]
    recent = NOW - prune.QUIET_SECONDS
    assert database.write(lambda c: removal.lock_deletable(c, [event.id, gone.id], recent)) == [
        gone.id
    ]


def test_an_event_without_deliveries_is_free(database: Database) -> None:
    event = make_event(None, now=OLD)
    events.add(database, event, [], lambda *_: [])
    assert database.write(
        lambda c: (removal.lock_deletable(c, [event.id], NOW), removal.lock_deletable(c, [], NOW))
    ) == ([event.id], [])


# -- who leads


@pytest.mark.timings(leader_idle_seconds=3600.0)
def test_the_session_of_a_leader_that_gives_up_ends_with_it(postgresql: Database) -> None:
    """In the pool it would take the lock along, and nobody could lead while this process lives."""
    other = Database(
        postgresql.url.render_as_string(hide_password=False), timings=postgresql.timings
    )
    first = Leadership(postgresql)
    second = Leadership(other)
    pids: list[int] = []
    assert (
        first.run_as_leader(
            lambda c: pids.append(c.execute(text("SELECT pg_backend_pid()")).scalar_one()) or 1
        )
        == 1
    )  # type: ignore[func-returns-value]
    assert second.run_as_leader(lambda _: 1) is None
    first.release()
    until(lambda: second.run_as_leader(lambda _: 1) == 1, what="another leader")
    with other.read() as connection:
        assert (
            connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"), {"pid": pids[0]}
            ).scalar()
            == 0
        )
    second.release()
    other.close()
