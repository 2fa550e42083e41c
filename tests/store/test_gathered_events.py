"""The events of several requests that one caller stores together."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count
from types import SimpleNamespace

import pytest
from gathering import add_each, asked, never
from records import make_delivery, make_event
from serving import until
from sqlalchemy import func, select

from bridge.core.errors import CommitBusy, CommitWaits, StoreError
from bridge.core.model import Event
from bridge.ingest.ports import EventsStored, StoringWaits
from bridge.store.db import group_commit
from bridge.store.db.commit_queue import MAX_BATCH_ITEMS, MAX_BATCH_JOBS
from bridge.store.db.database import Database, file_lock
from bridge.store.db.group_commit import BUSY_TIMEOUT_SECONDS
from bridge.store.inbound import events
from bridge.store.inbound.arrivals import ArrivalRows
from bridge.store.tables import schema


def stored(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(schema.event.c.id)).scalars())


def test_each_request_gets_the_results_of_its_own_events(database: Database) -> None:
    first, second, third = (make_event(str(number)) for number in range(3))
    results = add_each(database, [asked(first, second), asked(), asked(third)])
    assert [[one.event_id for one in result] for result in results] == [
        [first.id, second.id],
        [],
        [third.id],
    ]
    assert stored(database) == {first.id, second.id, third.id}


def test_a_bad_request_fails_alone_and_none_of_its_events_is_stored(database: Database) -> None:
    good = [make_event(str(number)) for number in range(3)]
    bad = make_event("bad", source=None)
    results = add_each(database, [asked(good[0]), asked(good[1], bad), asked(good[2])])
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert stored(database) == {good[0].id, good[2].id}


def test_duplicates_within_and_before_the_gathered_ones_are_counted(database: Database) -> None:
    known = make_event("known")
    events.add(database, known, [make_delivery(known)], never)
    twice = make_event("twice")
    results = add_each(
        database, [asked(make_event("known")), asked(twice), asked(make_event("twice"))]
    )
    assert [(one.event_id, one.duplicate) for [one] in results] == [
        (known.id, True),
        (twice.id, False),
        (twice.id, True),
    ]


def test_what_takes_another_transaction_waits_in_no_shared_commit(database: Database) -> None:
    """It may wait for a lock, and the other requests are answered meanwhile."""
    known = make_event("known")
    events.add(database, known, [make_delivery(known)], never)
    new = make_event("new")
    again, plain = events.add_each(database, [asked(make_event("known"), new), asked()])
    assert plain == EventsStored([])
    assert isinstance(again, StoringWaits)
    assert stored(database) == {known.id, new.id}
    assert [(one.event_id, one.duplicate) for one in again.finish()] == [
        (known.id, True),
        (new.id, False),
    ]


def test_nothing_to_store_needs_no_commit(database: Database) -> None:
    assert add_each(database, []) == []


def test_a_database_that_fails_fails_for_each(sqlite: Database) -> None:
    with sqlite.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS arrive")
        connection.exec_driver_sql("DROP VIEW arrival")
        connection.commit()
    results = add_each(sqlite, [asked(make_event("1")), asked(make_event("2"))])
    assert [type(result) for result in results] == [StoreError, StoreError]


@pytest.mark.parametrize("count", [1, MAX_BATCH_JOBS, 2 * MAX_BATCH_JOBS + 3])
def test_more_requests_than_fit_into_a_commit_take_several(sqlite: Database, count: int) -> None:
    each = [make_event(str(number)) for number in range(count)]
    results = add_each(sqlite, [asked(event) for event in each])
    assert [one.event_id for [one] in results] == [event.id for event in each]
    assert stored(sqlite) == {event.id for event in each}


def test_gathered_events_and_those_of_other_threads_are_all_stored(sqlite: Database) -> None:
    """The lead passes between a caller with many jobs and callers with one."""
    failed: list[object] = []

    def gather(name: int) -> None:
        for turn in range(5):
            each = [make_event(f"{name}-{turn}-{number}") for number in range(30)]
            found = add_each(sqlite, [asked(event) for event in each])
            failed.extend(one for one in found if isinstance(one, Exception))

    def single(name: int) -> None:
        for turn in range(20):
            event = make_event(f"{name}-{turn}")
            events.add(sqlite, event, [make_delivery(event)], never)

    threads = [threading.Thread(target=gather, args=(name,)) for name in range(4)]
    threads += [threading.Thread(target=single, args=(name,)) for name in range(10, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []
    with sqlite.read() as connection:
        count = connection.execute(select(func.count()).select_from(schema.event)).scalar()
    assert count == 4 * 5 * 30 + 4 * 20


def test_gathered_events_share_one_synced_commit(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    real = sqlite._group._take

    def count(batch: list) -> None:
        real(batch)
        batches.append(len(batch))

    monkeypatch.setattr(sqlite._group, "_take", count)
    add_each(sqlite, [asked(make_event(str(number))) for number in range(40)])
    assert batches == [40]


def open_connection(database: Database) -> None:
    """Store an event: the first commit opens the connection, and may wait for it."""
    events.add_each(database, [asked(make_event("first"))])


def add_now(database: Database, *each: Event) -> list:
    return add_each(database, [asked(event) for event in each], waits=False)


def test_a_commit_that_must_not_wait_is_one_where_nothing_is_in_its_way(sqlite: Database) -> None:
    open_connection(sqlite)
    first, second = make_event("1"), make_event("2")
    assert [one.event_id for [one] in add_now(sqlite, first, second)] == [first.id, second.id]
    assert {first.id, second.id} <= stored(sqlite)


def test_the_first_commit_opens_the_connection_and_waits(sqlite: Database) -> None:
    with pytest.raises(CommitWaits) as raised:
        add_now(sqlite, make_event("1"))
    assert raised.type is CommitWaits
    open_connection(sqlite)
    assert len(add_now(sqlite, make_event("1"))) == 1


@pytest.mark.parametrize("sizes", [[1] * (MAX_BATCH_JOBS + 1), [MAX_BATCH_ITEMS, 1]])
def test_more_than_one_commit_takes_is_left_to_a_thread(sqlite: Database, sizes: list[int]) -> None:
    open_connection(sqlite)
    event = make_event("1")
    with pytest.raises(CommitWaits) as raised:
        events.add_each(sqlite, [asked(*[event] * size) for size in sizes], waits=False)
    assert raised.type is CommitWaits
    assert event.id not in stored(sqlite)


def test_a_store_that_fails_is_not_taken_for_a_busy_one(sqlite: Database) -> None:
    open_connection(sqlite)
    connection = sqlite._group._connection  # type: ignore[union-attr]
    connection.exec_driver_sql("PRAGMA query_only = ON")  # type: ignore[union-attr]
    [failure] = add_now(sqlite, make_event("1"))
    assert isinstance(failure, StoreError) and "readonly" in str(failure)


@pytest.mark.parametrize("begins", ["before", "after"])
def test_a_commit_that_must_not_wait_leaves_the_lock_to_another_process(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    """Before its rows are made, or after."""
    open_connection(sqlite)
    event = make_event("1")
    made: list[object] = []
    of = ArrivalRows.of
    with file_lock(sqlite.path, "lock"), monkeypatch.context() as patch, pytest.raises(CommitBusy):
        patch.setattr(ArrivalRows, "of", lambda *given: (made.append(1), of(*given))[1])
        if begins == "after":
            patch.setattr(sqlite, "check_commit_is_free", lambda: None)
        add_now(sqlite, event)
    assert len(made) == (0 if begins == "before" else 1), "rows are made for nothing"
    assert event.id not in stored(sqlite)
    assert [one.duplicate for [one] in add_now(sqlite, event)] == [False]


def test_a_writer_without_the_lock_file_is_not_waited_for_either(sqlite: Database) -> None:
    open_connection(sqlite)
    event = make_event("1")
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitWaits) as raised:
            add_now(sqlite, event)
        assert raised.type is CommitWaits
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(add_each, sqlite, [asked(event)])
            assert not waiting.done()
            backup.execute("ROLLBACK")
            [[added]] = waiting.result(60)
    assert not added.duplicate
    assert event.id in stored(sqlite)


def test_a_writer_that_never_ends_is_reported(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_connection(sqlite)
    clock = count(0.0, BUSY_TIMEOUT_SECONDS / 2)
    mine = threading.current_thread()

    def monotonic() -> float:  # threads of other tests may commit meanwhile
        return next(clock) if threading.current_thread() is mine else time.monotonic()

    monkeypatch.setattr(group_commit, "time", SimpleNamespace(monotonic=monotonic))
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as backup:
        backup.execute("BEGIN IMMEDIATE")
        [error] = add_each(sqlite, [asked(make_event("1"))])
    assert isinstance(error, StoreError)
    assert "locked" in str(error)
    assert next(clock) == 2 * BUSY_TIMEOUT_SECONDS - BUSY_TIMEOUT_SECONDS / 2


def test_a_commit_that_must_not_wait_gives_way_to_one_of_its_own_process(sqlite: Database) -> None:
    open_connection(sqlite)
    begun = threading.Event()
    going_on = threading.Event()

    def work(_: object) -> None:
        begun.set()
        going_on.wait(60)

    event = make_event("1")
    with ThreadPoolExecutor(2) as pool:
        leading = pool.submit(sqlite.write, work)
        assert begun.wait(60)
        with pytest.raises(CommitBusy):
            add_now(sqlite, event)
        following = pool.submit(add_each, sqlite, [asked(event)])
        going_on.set()
        leading.result(60)
        assert len(following.result(60)) == 1
    assert len(add_now(sqlite, make_event("2"))) == 1


def test_others_that_joined_a_commit_which_gave_up_are_stored(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lead passes to them."""
    open_connection(sqlite)
    other, ours = make_event("other"), make_event("ours")
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(sqlite.path)) as backup:
        backup.isolation_level = None
        backup.execute("BEGIN IMMEDIATE")
        group = sqlite._group
        assert group is not None
        lead = group._lead
        joined: list[Future] = []

        def join() -> None:
            if not joined:
                joined.append(pool.submit(add_each, sqlite, [asked(other)]))
                until(lambda: len(group._pending) == 2, what="the other caller")
            lead()

        monkeypatch.setattr(group, "_lead", join)
        with pytest.raises(CommitWaits) as raised:
            add_now(sqlite, ours)
        assert raised.type is CommitWaits
        backup.execute("ROLLBACK")
        [[added]] = joined[0].result(60)
    assert added.event_id == other.id
    assert ours.id not in stored(sqlite)
    assert not group._leading and not group._pending


def test_duplicates_are_counted_later(sqlite: Database) -> None:
    open_connection(sqlite)
    known = make_event("known")
    events.add_each(sqlite, [asked(known)])
    fresh = make_event("fresh")
    requests = [asked(make_event("known")), asked(fresh)]
    again, new = events.add_each(sqlite, requests, waits=False)
    assert isinstance(new, EventsStored)
    assert [one.event_id for one in new.events] == [fresh.id]
    with file_lock(sqlite.path, "lock"):
        assert isinstance(again, StoringWaits)
    [added] = again.finish()
    assert (added.event_id, added.duplicate) == (known.id, True)


def test_on_a_server_each_commit_waits(postgresql: Database) -> None:
    with pytest.raises(CommitWaits) as raised:
        add_now(postgresql, make_event("1"))
    assert raised.type is CommitWaits
    assert stored(postgresql) == set()
