"""Races of two workers on PostgreSQL: one stops before its commit, the other waits or skips.

Without the lock that makes it wait the other would decide by what is about to change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ledger_steps import (
    STARTED,
    add,
    attempts,
    claim,
    column,
    get,
    late_starts,
    record,
)
from records import NOW, attempt_window, make_delivery, make_event, make_local_run
from serving import until
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.event import listen

from bridge.core.errors import IllegalTransition, RunLimitReached
from bridge.core.local_runs import LocalRun
from bridge.core.model import Debounce, Delivery, Order, RunState, Status
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery import reconcile
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs
from bridge.store.queue import (
    circuit_updates,
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
from bridge.store.tables.rows import delivery_row

REFUSED = Outcome(kind=OutcomeKind.REFUSED, detail="down")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, detail="no answer")
WAITS_FOR_ME = text(
    "SELECT locktype FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY"
    " (pg_blocking_pids(pid))"
)
Work = Callable[[Connection], Any]


@dataclass
class Other:
    """What became of the other machine's work: what it waited for (null where it did not), and its
    value or its error.
    """

    waited_for: str | None = None
    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def beside(database: Database, first: Work, second: Work) -> tuple[Any, Other]:
    """Do `first` in a transaction and, before it commits, `second` in another; return what came of
    both.

    The commit comes once the other waits for a lock of the first, or has ended without.
    """
    other = Other()

    def run() -> None:
        try:
            other.value = database.write(second)
        except Exception as error:
            other.error = error

    thread = threading.Thread(target=run)
    with database.engine.begin() as connection:
        value = first(connection)
        thread.start()
        until(
            lambda: connection.execute(WAITS_FOR_ME).scalars().all() or not thread.is_alive(),
            what="the other to wait or to end",
        )
        other.waited_for = connection.execute(WAITS_FOR_ME).scalar()
    thread.join(60)
    assert not thread.is_alive()
    return value, other


def planned(database: Database, **changes: Any) -> tuple[Delivery, Work]:
    """A delivery whose event is stored, and the work that puts it into the table: by that alone,
    with no lock taken before.
    """
    event = make_event(None)
    events.add(database, event, [], lambda *_: [])
    one = make_delivery(event, **changes)
    return one, lambda connection: connection.execute(
        insert(schema.delivery), [delivery_row(one, database.sealer)]
    )


def statuses(database: Database, *ids: str) -> list[str]:
    return [get(database, one).status.value for one in ids]


def unknown(database: Database, **changes: Any) -> tuple[str, Claim]:
    [one] = add(database, **changes)
    [held] = claim(database)
    assert record(database, held, UNKNOWN) is Status.UNKNOWN
    return one, held


def settled(held: Claim, outcome: Outcome, now: float = NOW + 20) -> Work:
    return lambda connection: ledger.record_attempts(
        connection, [EndedAttempt(held, outcome, 1.0)], now, jitter=0.5
    )


# -- lines and keys


def test_of_two_that_come_into_a_line_at_once_one_is_its_head(postgresql: Database) -> None:
    (first, insert_first), (second, insert_second) = (
        planned(postgresql, order=Order(key="k")) for _ in range(2)
    )
    _, other = beside(postgresql, insert_first, insert_second)
    other.result()
    assert other.waited_for == "advisory"
    assert statuses(postgresql, first.id, second.id) == ["queued", "blocked"]


def test_one_of_another_line_waits_for_nobody(postgresql: Database) -> None:
    (_, insert_first), (_, insert_second) = (
        planned(postgresql, order=Order(key=key)) for key in "ab"
    )
    _, other = beside(postgresql, insert_first, insert_second)
    assert (other.waited_for, other.error) == (None, None)


def test_of_two_that_are_debounced_at_once_one_is_left(postgresql: Database) -> None:
    both = [
        planned(postgresql, debounce=Debounce(key="k", until=NOW + until_), due_at=NOW + 30)
        for until_ in (60, 90)
    ]
    (first, insert_first), (second, insert_second) = both
    _, other = beside(postgresql, insert_first, insert_second)
    other.result()
    assert other.waited_for == "advisory"
    assert statuses(postgresql, first.id, second.id) == ["cancelled", "queued"]
    assert get(postgresql, second.id).debounce == Debounce(key="k", until=NOW + 60)


def test_a_line_and_a_key_of_one_name_wait_for_nobody(postgresql: Database) -> None:
    _, in_line = planned(postgresql, order=Order(key="k"))
    _, merged = planned(postgresql, debounce=Debounce(key="k", until=NOW + 60))
    _, other = beside(postgresql, in_line, merged)
    assert (other.waited_for, other.error) == (None, None)


def test_a_head_that_leaves_sees_who_lines_up_at_that_moment(postgresql: Database) -> None:
    """Else that one would wait behind a head that is gone, for ever."""
    [head] = add(postgresql, order=Order(key="k"))
    [held] = claim(postgresql)
    late, insert_late = planned(postgresql, order=Order(key="k"))
    _, other = beside(
        postgresql, insert_late, settled(held, Outcome(kind=OutcomeKind.REJECTED, detail="400"))
    )
    assert other.result() == [Status.DEAD]
    assert other.waited_for == "advisory"
    assert statuses(postgresql, head, late.id) == ["dead", "queued"]


def test_who_lines_up_sees_the_head_that_leaves_at_that_moment(postgresql: Database) -> None:
    [head] = add(postgresql, order=Order(key="k"))
    [held] = claim(postgresql)
    late, insert_late = planned(postgresql, order=Order(key="k"))
    _, other = beside(
        postgresql, settled(held, Outcome(kind=OutcomeKind.REJECTED, detail="400")), insert_late
    )
    other.result()
    assert other.waited_for == "advisory"
    assert statuses(postgresql, head, late.id) == ["dead", "queued"]


def test_one_that_is_retried_sees_who_has_become_the_head_at_that_moment(
    postgresql: Database,
) -> None:
    [dead] = add(postgresql, order=Order(key="k"))
    record(postgresql, claim(postgresql)[0], Outcome(kind=OutcomeKind.REJECTED, detail="400"))
    late, insert_late = planned(postgresql, order=Order(key="k"))
    _, other = beside(
        postgresql,
        insert_late,
        lambda connection: transitions.move(connection, dead, Status.QUEUED, NOW + 30),
    )
    other.result()
    assert other.waited_for == "advisory"
    assert statuses(postgresql, dead, late.id) == ["blocked", "queued"]


# -- slots, circuits and attempts


def test_two_workers_that_claim_at_once_stay_within_the_slots(postgresql: Database) -> None:
    add(postgresql, 4)
    work: Callable[[str], Work] = lambda lease: (  # noqa: E731
        lambda c: claims.claim(c, ClaimLimits(caps={"local": 3}), limit=2, now=NOW, lease=lease)
    )
    first, other = beside(postgresql, work("a"), work("b"))
    assert (len(first), len(other.result()), other.waited_for) == (2, 1, "advisory")
    assert {one.delivery.id for one in first}.isdisjoint(one.delivery.id for one in other.result())


@pytest.mark.parametrize("known", [False, True], ids=["all was well", "one has failed"])
def test_two_workers_that_learn_at_once_learn_from_both(postgresql: Database, known: bool) -> None:
    add(postgresql, 3)
    *held, before = claim(postgresql)
    learn: Callable[[Claim], Work] = lambda one: (  # noqa: E731
        lambda c: circuit_updates.update_circuits(
            c, [EndedAttempt(one, UNKNOWN)], {"local": 5}, NOW, jitter=0.5
        )
    )
    if known:
        postgresql.write(learn(before))
    _, other = beside(postgresql, learn(held[0]), learn(held[1]))
    other.result()
    assert other.waited_for == "advisory"
    with postgresql.read() as connection:
        assert throttling.read_circuits(connection)["local"].failures == 2 + known


def test_one_who_learns_waits_for_one_who_claims(postgresql: Database) -> None:
    """Who claims has read the circuit, and may write down that its probe is under way."""
    add(postgresql, 2)
    [held] = claim(postgresql, limit=1)
    claims_one: Work = lambda c: claims.claim(  # noqa: E731
        c, ClaimLimits(caps={"local": 5}), limit=1, now=NOW, lease="b"
    )
    learns: Work = lambda c: circuit_updates.update_circuits(  # noqa: E731
        c, [EndedAttempt(held, UNKNOWN)], {"local": 5}, NOW, jitter=0.5
    )
    _, other = beside(postgresql, claims_one, learns)
    other.result()
    assert other.waited_for == "advisory"


def test_where_all_is_well_nobody_who_learns_waits(postgresql: Database) -> None:
    add(postgresql, 2)
    [held] = claim(postgresql, limit=1)
    claims_one: Work = lambda c: claims.claim(  # noqa: E731
        c, ClaimLimits(caps={"local": 5}), limit=1, now=NOW, lease="b"
    )
    learns: Work = lambda c: circuit_updates.update_circuits(  # noqa: E731
        c, [EndedAttempt(held, STARTED)], {"local": 5}, NOW, jitter=0.5
    )
    _, other = beside(postgresql, claims_one, learns)
    assert (other.waited_for, other.error) == (None, None)


def test_one_that_is_cancelled_at_this_moment_is_not_claimed(postgresql: Database) -> None:
    first, second = add(postgresql, 2)

    def work(c: Connection) -> Any:
        return claims.claim(c, ClaimLimits(caps={"local": 5}), limit=9, now=NOW, lease="b")

    _, other = beside(postgresql, lambda c: transitions.move(c, first, Status.CANCELLED, NOW), work)
    assert [one.delivery.id for one in other.result()] == [second]
    assert other.waited_for is None, "others are claimed meanwhile"
    assert (statuses(postgresql, first, second), attempts(postgresql, first)) == (
        ["cancelled", "sending"],
        [],
    )


def test_an_attempt_that_is_begun_twice_at_once_is_begun_once(postgresql: Database) -> None:
    [one] = add(postgresql)
    [held] = postgresql.write(
        lambda c: claims.claim(
            c, ClaimLimits(caps={"local": 5}), limit=1, now=NOW, lease="w", intents=False
        )
    )
    begin: Callable[[str], Work] = lambda own: (  # noqa: E731
        lambda c: leases.begin_attempt(c, one, held.lease, own, ["local"], NOW + 1)
    )
    first, other = beside(postgresql, begin("a"), begin("b"))
    assert (first.lease, other.result(), other.waited_for) == ("a", None, "transactionid")
    assert (column(postgresql, one, "lease"), len(attempts(postgresql, one))) == ("a", 1)


def test_one_that_is_taken_over_at_this_moment_is_settled_by_nobody_else(
    postgresql: Database,
) -> None:
    """The answer of the first worker waits for the one who reaps, and is then a late one."""
    [one] = add(postgresql, on_unknown="retry")
    [held] = claim(postgresql)
    reaped, other = beside(
        postgresql,
        lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None),
        settled(held, STARTED, NOW + 61),
    )
    assert [status for _, status in reaped] == [Status.QUEUED]
    assert (other.result(), other.waited_for) == ([None], "transactionid")
    assert (statuses(postgresql, one), get(postgresql, one).attempts) == (["queued"], 1)
    assert late_starts(postgresql) == [(one, 1, "r1", "queued")]


def test_one_whose_answer_comes_at_this_moment_is_not_taken_over(postgresql: Database) -> None:
    [one] = add(postgresql)
    [held] = claim(postgresql)
    _, other = beside(
        postgresql,
        settled(held, STARTED),
        lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None),
    )
    assert (other.result(), other.waited_for, statuses(postgresql, one)) == (
        [],
        None,
        ["delivered"],
    )


def test_two_who_reap_at_once_take_over_each_once(postgresql: Database) -> None:
    add(postgresql, 2)
    claim(postgresql)
    reap: Work = lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None)  # noqa: E731
    first, other = beside(postgresql, reap, reap)
    assert (len(first), other.result(), other.waited_for) == (2, [], None)


def test_a_late_answer_waits_for_a_person_and_leaves_what_they_have_said(
    postgresql: Database,
) -> None:
    one, held = unknown(postgresql)
    _, other = beside(
        postgresql, lambda c: transitions.move(c, one, Status.DEAD, NOW + 5), settled(held, STARTED)
    )
    assert (other.result(), other.waited_for) == ([None], "transactionid")
    assert (statuses(postgresql, one), late_starts(postgresql)) == (
        ["dead"],
        [(one, 1, "r1", "dead")],
    )


def test_a_person_waits_for_a_late_answer_and_is_told_that_it_has_come(
    postgresql: Database,
) -> None:
    one, held = unknown(postgresql)
    to_queue: Work = lambda c: transitions.move(c, one, Status.QUEUED, NOW + 5)  # noqa: E731
    _, other = beside(
        postgresql,
        settled(held, STARTED),
        lambda c: transitions.move(c, one, Status.CANCELLED, NOW + 5),
    )
    with pytest.raises(IllegalTransition, match="is delivered"):
        other.result()
    assert (other.waited_for, statuses(postgresql, one)) == ("transactionid", ["delivered"])
    first, other = beside(
        postgresql, lambda c: transitions.move(c, one, Status.DEAD, NOW + 6), to_queue
    )
    assert (first.status, other.result().status, other.waited_for) == (
        Status.DELIVERED,
        Status.DEAD,
        "transactionid",
    )


def test_two_workers_never_poll_the_same_run_at_once(postgresql: Database) -> None:
    add(postgresql, 2)
    for number, held in enumerate(claim(postgresql)):
        record(postgresql, held, replace(STARTED, run_id=f"r{number}"))
    poll: Callable[[int], Work] = lambda most: (  # noqa: E731
        lambda c: run_tracking.claim_polls(c, platforms=["local"], limit=most, now=NOW + 5)
    )
    first, other = beside(postgresql, poll(1), poll(9))
    assert (len(first), len(other.result()), other.waited_for) == (1, 1, None)
    assert first[0][0].id != other.result()[0][0].id


# -- runs of the local platform


def test_two_starts_at_once_stay_within_the_cap(postgresql: Database) -> None:
    start: Callable[[str], Work] = lambda key: (  # noqa: E731
        lambda c: runs.start(c, make_local_run(idempotency_key=key), 1)
    )
    _, other = beside(postgresql, start("a"), start("b"))
    with pytest.raises(RunLimitReached):
        other.result()
    assert other.waited_for == "advisory"


def test_two_starts_with_one_key_at_once_are_one_run(postgresql: Database) -> None:
    for cap in (None, 5):

        def start(connection: Connection, cap: int | None = cap) -> LocalRun:
            run = make_local_run(idempotency_key=f"k{cap}")
            return runs.start(connection, run, cap)

        first, other = beside(postgresql, start, start)
        assert other.result().id == first.id and other.waited_for == (
            "advisory" if cap else "transactionid"
        )


def test_two_workers_execute_no_run_twice_and_no_more_than_the_cap(postgresql: Database) -> None:
    for _ in range(4):
        postgresql.write(lambda c: runs.start(c, make_local_run()))
    take: Callable[[str, int | None], Work] = lambda lease, cap: (  # noqa: E731
        lambda c: runs.claim(c, 2, NOW, lease, cap)
    )
    first, other = beside(postgresql, take("a", 3), take("b", 3))
    assert (len(first), len(other.result()), other.waited_for) == (2, 1, "advisory")
    first, other = beside(postgresql, take("a", None), take("b", None))
    assert (len(first), len(other.result()), other.waited_for) == (1, 0, None)


def test_two_who_settle_dead_workers_runs_at_once_settle_each_once(postgresql: Database) -> None:
    postgresql.write(lambda c: runs.start(c, make_local_run()))
    postgresql.write(lambda c: runs.claim(c, 2, NOW, "a"))
    settle: Work = lambda c: runs.abandon_running(c, NOW + 60)  # noqa: E731
    first, other = beside(postgresql, settle, settle)
    assert (len(first), other.result(), other.waited_for) == (1, [], None)


# -- starts without an answer

FLOW: dict[str, Any] = {"platform": "gumloop", "flow": "triage", "saved_item_id": "q3da"}


def lost(
    database: Database, count: int, outcome: Outcome = UNKNOWN
) -> list[unknown_starts.UnknownStart]:
    """So many deliveries for one flow whose calls were not answered."""
    ids = add(database, count, **FLOW)
    for held in claim(database, caps={"gumloop": 9}):
        record(database, held, outcome)
    with database.read() as connection:
        return [
            known
            for one in ids
            if (known := unknown_starts.read_unknown_start(connection, one)) is not None
        ]


def found(
    known: unknown_starts.UnknownStart, *run_ids: str, echo: reconcile.Echo | None = None
) -> reconcile_store.PollAnswers:
    """The answers of a look that has found these runs of the flow, which nobody else starts."""
    candidates = tuple(
        reconcile.Candidate(
            run_id=one, created_at=known.began_at + 1, state=RunState.DONE, echo=echo
        )
        for one in run_ids
    )
    window = attempt_window(known.began_at, 30.0)
    look = reconcile.Look(
        at=known.began_at + 100, window=window, listed=len(run_ids), candidates=candidates
    )
    return reconcile_store.PollAnswers(look=look, reports={}, exclusive=True, next_look=5.0)


def settle(known: unknown_starts.UnknownStart, answers: reconcile_store.PollAnswers) -> Work:
    return lambda connection: reconcile_store.resolve(
        connection, known, answers, NOW + 100, jitter=0.5
    )


def test_two_looks_at_once_adopt_a_run_once(postgresql: Database) -> None:
    first, second = lost(postgresql, 2)
    # else each would wait for the other, whose run is not known
    echoing = {"echo": reconcile.Echo.DELIVERY}
    (_, status), other = beside(
        postgresql,
        settle(first, found(first, "r1", **echoing)),
        settle(second, found(second, "r1", **echoing)),
    )
    assert other.waited_for == "advisory"
    evidence, later = other.result()
    assert (status, later, evidence.look.candidates) == (Status.DELIVERED, Status.UNKNOWN, ())
    assert [get(postgresql, one.delivery.id).run_id for one in (first, second)] == ["r1", None]


def test_looks_for_runs_of_other_flows_do_not_wait(postgresql: Database) -> None:
    [first] = lost(postgresql, 1)
    [other_flow] = add(postgresql, **{**FLOW, "saved_item_id": "another"})
    record(postgresql, claim(postgresql, caps={"gumloop": 9})[0], UNKNOWN)
    with postgresql.read() as connection:
        second = unknown_starts.read_unknown_start(connection, other_flow)
    assert second is not None
    _, other = beside(
        postgresql, settle(first, found(first, "r1")), settle(second, found(second, "r2"))
    )
    assert (other.result()[1], other.waited_for) == (Status.DELIVERED, None)


def test_a_call_that_ends_while_a_look_is_settled_is_seen_before_or_after(
    postgresql: Database,
) -> None:
    """Its run is the sole candidate. The call was open when it was asked which are, or its run is
    known when that is asked.
    """
    [known] = lost(postgresql, 1)
    [late] = add(postgresql, **FLOW)
    [held] = claim(postgresql, caps={"gumloop": 9}, now=NOW + 5)
    asked: list[str] = []

    def end_the_call(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """The first question has two statements: which calls are open and unknown, or which runs
        deliveries and attempts have.
        """
        asked.extend(word for word in ("BETWEEN", "run_id IN") if word in statement)
        if len(asked) == 2 and get(postgresql, late).status is Status.SENDING:
            record(postgresql, held, replace(STARTED, run_id="r1"), NOW + 6)

    with postgresql.engine.begin() as connection:
        listen(connection, "after_cursor_execute", end_the_call)
        outcome = settle(known, found(known, "r1"))(connection)
    assert outcome is not None and outcome[1] is Status.UNKNOWN
    assert len(asked) == 4
    assert [get(postgresql, one).run_id for one in (late, known.delivery.id)] == ["r1", None]


def test_a_look_waits_for_a_person_and_leaves_what_they_have_said(postgresql: Database) -> None:
    [known] = lost(postgresql, 1)
    move: Work = lambda c: transitions.move(c, known.delivery.id, Status.DEAD, NOW + 50)  # noqa: E731
    _, other = beside(postgresql, move, settle(known, found(known, "r1")))
    assert (other.result(), other.waited_for, statuses(postgresql, known.delivery.id)) == (
        None,
        "transactionid",
        ["dead"],
    )


def test_a_retry_that_overtakes_a_look_is_not_touched_by_it(postgresql: Database) -> None:
    [known] = lost(postgresql, 1)

    def retry(connection: Connection) -> None:
        transitions.move(connection, known.delivery.id, Status.QUEUED, NOW + 50)
        connection.execute(update(schema.delivery).values(due_at=NOW + 60))

    _, other = beside(postgresql, retry, settle(known, found(known, "r1")))
    assert (other.result(), statuses(postgresql, known.delivery.id)) == (None, ["queued"])
    with postgresql.read() as connection:
        assert connection.execute(select(schema.delivery.c.due_at)).scalar() == NOW + 60
