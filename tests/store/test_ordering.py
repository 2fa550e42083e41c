"""Ordering keys: one delivery of a key at a time, in order of arrival, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ledger_steps import STARTED, add, claim, get, record
from records import NOW, make_delivery, make_event, put
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from bridge.core.model import DeadKind, Delivery, Order, Retry, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import ledger, ordering, run_tracking, transitions
from bridge.store.tables import schema

A = Order(key="a")
B = Order(key="b")
REFUSED = Outcome(kind=OutcomeKind.REFUSED, detail="down")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, detail="reset")
REJECTED = Outcome(kind=OutcomeKind.REJECTED, detail="HTTP 400")
DONE = RunReport(state=RunState.DONE, outputs={})
FAILED = RunReport(state=RunState.FAILED, log=("it broke",))


def statuses(database: Database, ids: list[str]) -> list[str]:
    return [get(database, one).status.value for one in ids]


def look(database: Database, delivery_id: str, report: RunReport, now: float = NOW + 5) -> bool:
    followed = get(database, delivery_id)
    return database.write(
        lambda c: run_tracking.record_run(c, followed, report, now, next_poll=1.0)
    )


def move(
    database: Database, delivery_id: str, to: Status, now: float = NOW + 9, **more: Any
) -> Delivery:
    return database.write(lambda c: transitions.move(c, delivery_id, to, now, **more))


def heads(database: Database) -> dict[str, str]:
    with database.read() as connection:
        return dict(
            connection.execute(
                select(schema.delivery.c.order_key, schema.delivery.c.id).where(
                    schema.delivery.c.holds_key
                )
            ).all()
        )


def test_the_first_of_a_key_goes_and_the_others_wait(database: Database) -> None:
    ids = add(database, 3, order=A)
    other = add(database, order=B)
    free = add(database, 2)
    assert statuses(database, ids) == ["queued", "blocked", "blocked"]
    assert heads(database) == {"a": ids[0], "b": other[0]}
    assert sorted(held.delivery.id for held in claim(database)) == sorted([ids[0], *other, *free])


def test_the_same_key_of_another_route_is_another_line(database: Database) -> None:
    first = add(database, 1, "one", order=A)
    second = add(database, 1, "two", order=A)
    assert statuses(database, first + second) == ["queued", "queued"]


def test_the_next_goes_when_the_run_has_ended(database: Database) -> None:
    ids = add(database, 3, order=A)
    record(database, claim(database)[0], STARTED)
    assert statuses(database, ids) == ["delivered", "blocked", "blocked"]
    assert not look(database, ids[0], RunReport(state=RunState.RUNNING))
    assert statuses(database, ids) == ["delivered", "blocked", "blocked"]
    assert look(database, ids[0], DONE)
    assert statuses(database, ids) == ["delivered", "queued", "blocked"]
    assert get(database, ids[1]).due_at == NOW + 5
    assert heads(database) == {"a": ids[1]}


def test_the_next_goes_when_it_is_started_where_the_route_says_so(database: Database) -> None:
    ids = add(database, 2, order=replace(A, until="delivered"))
    record(database, claim(database)[0], STARTED)
    assert statuses(database, ids) == ["delivered", "queued"]


def test_on_a_platform_without_runs_the_next_goes_when_it_is_accepted(database: Database) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], Outcome(kind=OutcomeKind.STARTED), first_poll=None)
    assert statuses(database, ids) == ["delivered", "queued"]


@pytest.mark.parametrize(
    "report",
    [FAILED, RunReport(state=RunState.TERMINATED), RunReport(state=None, gone=True)],
    ids=["failed", "terminated", "gone"],
)
def test_however_the_run_ends_the_next_goes(database: Database, report: RunReport) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], STARTED)
    look(database, ids[0], report)
    assert statuses(database, ids) == ["delivered", "queued"]


def test_a_run_that_is_not_seen_to_end_lets_the_next_go_after_its_time(database: Database) -> None:
    ids = add(database, 2, order=A, run_timeout=60.0)
    record(database, claim(database)[0], STARTED)
    look(database, ids[0], RunReport(state=RunState.RUNNING), NOW + 100)
    assert statuses(database, ids) == ["delivered", "queued"]


def test_a_retry_keeps_its_place(database: Database) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], REFUSED)
    assert statuses(database, ids) == ["queued", "blocked"]
    [again] = claim(database, now=NOW + 100)
    assert again.delivery.id == ids[0]


def test_an_unknown_one_holds_the_line_until_it_is_settled(database: Database) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], UNKNOWN)
    assert statuses(database, ids) == ["unknown", "blocked"]
    move(database, ids[0], Status.DELIVERED, run_id="r1")
    assert statuses(database, ids) == ["delivered", "blocked"]
    look(database, ids[0], DONE)
    assert statuses(database, ids) == ["delivered", "queued"]


@pytest.mark.parametrize(
    ("to", "then"),
    [(Status.DELIVERED, "queued"), (Status.DEAD, "queued"), (Status.QUEUED, "blocked")],
)
def test_settling_an_unknown_one_by_hand_lets_the_next_go_where_it_is_over(
    database: Database, to: Status, then: str
) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], UNKNOWN)
    move(database, ids[0], to)
    assert statuses(database, ids) == [to.value, then]


def test_a_dead_one_lets_the_next_pass(database: Database) -> None:
    ids = add(database, 2, order=A)
    record(database, claim(database)[0], REJECTED)
    assert statuses(database, ids) == ["dead", "queued"]


def test_a_dead_one_that_blocks_holds_the_line_until_a_person_retries_or_cancels_it(
    database: Database,
) -> None:
    ids = add(database, 3, order=replace(A, blocks=True))
    record(database, claim(database)[0], REJECTED)
    assert statuses(database, ids) == ["dead", "blocked", "blocked"]
    move(database, ids[0], Status.QUEUED)
    assert statuses(database, ids) == ["queued", "blocked", "blocked"]
    record(database, claim(database, now=NOW + 9)[0], REJECTED, NOW + 10)
    move(database, ids[0], Status.CANCELLED, NOW + 11)
    assert statuses(database, ids) == ["cancelled", "queued", "blocked"]


@pytest.mark.parametrize(("then", "status"), [("dead", "dead"), ("retry", "queued")])
def test_a_run_that_failed_and_is_followed_by_something_holds_the_line(
    database: Database, then: str, status: str
) -> None:
    ids = add(
        database,
        2,
        order=replace(A, blocks=True),
        on_run_failed=then,
        run_retries=int(then == "retry"),
    )
    record(database, claim(database)[0], STARTED)
    look(database, ids[0], FAILED)
    assert statuses(database, ids) == [status, "blocked"]


def test_a_cancelled_head_is_passed_and_so_is_one_in_the_middle(database: Database) -> None:
    ids = add(database, 4, order=A)
    move(database, ids[1], Status.CANCELLED)
    move(database, ids[0], Status.CANCELLED)
    assert statuses(database, ids) == ["cancelled", "cancelled", "queued", "blocked"]


def test_what_is_retried_after_others_have_passed_lines_up_by_its_age(database: Database) -> None:
    ids = add(database, 4, order=A)
    record(database, claim(database)[0], REJECTED)
    assert statuses(database, ids) == ["dead", "queued", "blocked", "blocked"]
    move(database, ids[0], Status.QUEUED)
    assert statuses(database, ids) == ["blocked", "queued", "blocked", "blocked"]
    record(database, claim(database, now=NOW + 10)[0], REJECTED, NOW + 11)
    assert statuses(database, ids) == ["queued", "dead", "blocked", "blocked"]
    assert heads(database) == {"a": ids[0]}


def test_a_retried_one_is_the_head_where_nobody_waits(database: Database) -> None:
    [one] = add(database, order=A)
    record(database, claim(database)[0], REJECTED)
    assert heads(database) == {}
    move(database, one, Status.QUEUED)
    assert heads(database) == {"a": one}


def parked(database: Database, order: Order) -> str:
    return add(
        database,
        order=order,
        status=Status.DEAD,
        dead_kind=DeadKind.OURS,
        reason="the payload does not fit",
    )[0]


def test_a_parked_one_holds_the_line_where_dead_ones_do_once_its_turn_has_come(
    database: Database,
) -> None:
    """Its event came between two others: the one after it must not go before it was mended or given
    up.
    """
    blocks = replace(A, blocks=True)
    first = add(database, order=blocks)[0]
    bad = parked(database, blocks)
    last = add(database, order=blocks)[0]
    assert statuses(database, [first, bad, last]) == ["queued", "blocked", "blocked"]
    record(database, claim(database)[0], Outcome(kind=OutcomeKind.STARTED), first_poll=None)
    assert statuses(database, [first, bad, last]) == ["delivered", "dead", "blocked"]
    assert (get(database, bad).dead_kind, get(database, bad).reason) == (
        DeadKind.OURS,
        "the payload does not fit",
    )
    move(database, bad, Status.CANCELLED)
    assert statuses(database, [first, bad, last]) == ["delivered", "cancelled", "queued"]


def test_a_parked_one_at_the_head_holds_the_line_at_once(database: Database) -> None:
    blocks = replace(A, blocks=True)
    bad = parked(database, blocks)
    last = add(database, order=blocks)[0]
    assert statuses(database, [bad, last]) == ["dead", "blocked"]


def test_a_dead_workers_delivery_keeps_its_place(database: Database) -> None:
    ids = add(database, 2, order=A)
    claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    assert statuses(database, ids) == ["unknown", "blocked"]


def test_the_store_itself_refuses_a_second_head(database: Database) -> None:
    ids = add(database, 2, order=A)
    with pytest.raises(Exception) as refused:
        database.write(
            lambda c: c.execute(
                update(schema.delivery).where(schema.delivery.c.id == ids[1]).values(holds_key=True)
            )
        )
    assert isinstance(refused.value, IntegrityError) or isinstance(
        refused.value.__cause__, IntegrityError
    )


def test_a_line_without_a_head_is_mended(database: Database) -> None:
    ids = add(database, 3, order=A)
    put(database, ids[0], status="delivered", holds_key=False)
    assert database.write(lambda c: ordering.repair_queues(c, NOW + 7)) == [("triage", "a")]
    assert statuses(database, ids) == ["delivered", "queued", "blocked"]
    assert database.write(lambda c: ordering.repair_queues(c, NOW + 7)) == []


def test_a_late_answer_of_an_unknown_start_lets_the_next_go_when_its_run_ends(
    database: Database,
) -> None:
    ids = add(database, 2, order=A)
    [held] = claim(database)
    database.write(lambda c: ledger.reap_expired(c, NOW + 60, 0.0, lambda _: None))
    assert record(database, held, STARTED, NOW + 61) is Status.DELIVERED
    assert statuses(database, ids) == ["delivered", "blocked"]
    look(database, ids[0], DONE, NOW + 62)
    assert statuses(database, ids) == ["delivered", "queued"]


def test_events_of_one_batch_line_up_in_their_order(database: Database) -> None:
    arrivals = []
    for _ in range(5):
        event = make_event(None)
        arrivals.append((event, [make_delivery(event, order=A)]))
    events.add_all(database, arrivals, lambda *_: [])
    ids = [delivery.id for _, [delivery] in arrivals]
    for at in range(5):
        assert statuses(database, ids) == ["delivered"] * at + ["queued"] + ["blocked"] * (4 - at)
        record(
            database,
            claim(database, now=NOW + at)[0],
            Outcome(kind=OutcomeKind.STARTED),
            NOW + at,
            first_poll=None,
        )


def test_a_line_of_any_length_is_promoted_by_one_look_into_an_index(database: Database) -> None:
    plans: Mapping[bool, str] = {True: "EXPLAIN QUERY PLAN ", False: "EXPLAIN "}
    sql = (
        "SELECT min(seq) FROM delivery WHERE status = 'blocked' AND route = 'triage' AND order_key"
        " = 'a'"
    )
    add(database, 50, order=A)
    with database.read() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        plan = "\n".join(
            str(row) for row in connection.exec_driver_sql(plans[database.is_sqlite] + sql)
        )
    assert "ix_delivery_line" in plan


def test_many_at_once_make_one_line_with_one_head(database: Database) -> None:
    """Receivers that insert and workers that promote at the same moment: nobody is overtaken, left
    behind, or two at once.
    """
    started: list[str] = []
    order = replace(A, until="delivered")

    def arrive() -> None:
        for _ in range(15):
            event = make_event(None)
            events.add(
                database,
                event,
                [make_delivery(event, order=order, retry=Retry(3, 0.001, 0.001))],
                lambda *_: [],
            )

    def work() -> None:
        while len(started) < 60 and not over.is_set():
            for held in claim(database, now=NOW + 1000):
                started.append(held.delivery.id)
                record(
                    database, held, Outcome(kind=OutcomeKind.STARTED), NOW + 1000, first_poll=None
                )

    over = threading.Event()
    arriving = [threading.Thread(target=arrive) for _ in range(4)]
    workers = [threading.Thread(target=work) for _ in range(2)]
    for thread in arriving + workers:
        thread.start()
    for thread in arriving:
        thread.join(60)
    for thread in workers:
        thread.join(60)
    over.set()
    with database.read() as connection:
        rows = connection.execute(
            select(schema.delivery.c.id, schema.delivery.c.status).order_by(schema.delivery.c.seq)
        ).all()
    assert {row.status for row in rows} == {"delivered"} and len(rows) == 60
    assert len(started) == len(set(started)) == 60
    assert heads(database) == {}


def test_batches_with_the_same_keys_in_another_order_do_not_wait_for_each_other_in_a_circle(
    database: Database,
) -> None:
    keys = [f"k{number}" for number in range(8)]

    def arrive(ordered: list[str]) -> None:
        for _ in range(8):
            batch = []
            for key in ordered:
                event = make_event(None)
                batch.append((event, [make_delivery(event, order=Order(key=key))]))
            try:
                events.add_all(database, batch, lambda *_: [])
            except Exception as error:
                failed.append(error)

    failed: list[Exception] = []
    threads = [
        threading.Thread(target=arrive, args=(order,))
        for order in (keys, keys[::-1], keys[4:] + keys[:4])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    with database.read() as connection:
        rows = connection.execute(
            select(schema.delivery.c.order_key, schema.delivery.c.status)
        ).all()
    assert len(rows) == 3 * 8 * 8
    assert sorted(row.order_key for row in rows if row.status == "queued") == keys
