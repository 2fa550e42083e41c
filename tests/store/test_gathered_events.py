"""The events of several requests that one caller stores together."""

from __future__ import annotations

import threading

import pytest
from gathering import add_each, asked, never
from records import make_delivery, make_event
from sqlalchemy import func, select

from bridge.core.errors import StoreError
from bridge.store.db.commit_queue import MAX_BATCH_JOBS
from bridge.store.db.database import Database
from bridge.store.inbound import events
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
    assert plain == []
    assert callable(again)
    assert stored(database) == {known.id, new.id}
    assert [(one.event_id, one.duplicate) for one in again()] == [
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
