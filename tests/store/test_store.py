"""Conformance tests of the store, on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from records import NOW, make_delivery, make_event
from serving import until
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import NotFound, StoreError
from bridge.core.model import Debounce, Order, Status
from bridge.store.db.database import Database
from bridge.store.db.error_text import describe_error
from bridge.store.inbound import events
from bridge.store.queries import configs
from bridge.store.queries import events as event_queries
from bridge.store.queue import heartbeats
from bridge.store.tables import schema


def never(*_: object) -> list:
    raise AssertionError("nothing is to be planned again")


def counted(database: Database, table) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "failed to resolve host 'db.invalid': [Errno -2] Name or service not known",
            (
                "no connection to the database: failed to resolve host 'db.invalid': Name or"
                " service not known"
            ),
        ),
        (
            (
                'connection failed: connection to server at "::1", port 1 failed: Connection'
                " refused\nmore"
            ),
            (
                'no connection to the database: connection to server at "::1", port 1 failed:'
                " Connection refused"
            ),
        ),
        ("database or disk is full", "OperationalError: database or disk is full"),
    ],
)
def test_a_server_that_is_not_reached_is_told_plainly(said: str, told: str) -> None:
    assert describe_error(DBAPIError("SELECT 1", {}, sqlite3.OperationalError(said))) == told


def test_an_event_is_kept_verbatim_with_its_deliveries(database: Database) -> None:
    event = make_event(
        "1",
        body=b'\xff\x00 raw "bytes"\r\n',
        headers={"x-a": "\xe9"},
        query_string="a=%00",
        problem="odd",
    )
    added = events.add(
        database, event, [make_delivery(event), make_delivery(event, "second")], never
    )
    assert (added.event_id, len(added.deliveries), added.duplicate) == (event.id, 2, False)
    assert events.get(database, event.id) == event
    assert [each.route for each in events.deliveries_of(database, [event.id])[event.id]] == [
        "triage",
        "second",
    ]


def test_an_unknown_event_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="evt_nothing"):
        events.get(database, "evt_nothing")


def test_the_second_copy_of_an_event_is_counted_and_makes_no_delivery(database: Database) -> None:
    first = make_event("1")
    second = make_event("1")
    events.add(database, first, [make_delivery(first)], never)
    added = events.add(database, second, [make_delivery(second)], never)
    assert (added.event_id, added.deliveries, added.duplicate) == (first.id, (), True)
    assert events.get(database, first.id).duplicates == 1
    assert counted(database, schema.delivery) == 1


def test_which_try_of_the_sender_it_was_is_kept_and_the_highest_counts(database: Database) -> None:
    said = []
    for number in (None, 0, 2, 1, None):
        events.add(database, replace(make_event("1"), sender_retry=number), [], lambda *_: [])
        ((event, _),) = event_queries.list_events(database, event_queries.Filters())
        said.append((event.duplicates, event.sender_retry))
    assert said == [(0, None), (1, 0), (2, 2), (3, 2), (4, 2)]
    first = replace(make_event("2"), sender_retry=999_999_999)
    events.add_all(database, [(first, [])], never)
    assert events.get(database, first.id).sender_retry == 999_999_999


def test_an_event_without_a_provider_id_is_never_a_duplicate(database: Database) -> None:
    for _ in range(3):
        event = make_event(None)
        assert not events.add(database, event, [], never).duplicate
    assert counted(database, schema.event) == 3


def test_a_copy_is_one_too_beside_a_delivery_that_stands_in_line(database: Database) -> None:
    """Rows changed by ordering are not counted as rows of the copy."""
    known = make_event("1")
    fresh = make_event("2")
    events.add(database, known, [], never)
    copy = make_event("1")
    in_line = make_delivery(fresh, order=Order(key="k"))
    added = events.add_all(database, [(copy, []), (fresh, [in_line])], lambda *_: [])
    assert [(one.event_id, one.duplicate or one.event_id == known.id) for one in added] == [
        (known.id, True),
        (fresh.id, False),
    ]
    assert events.get(database, known.id).duplicates == 1 and counted(database, schema.event) == 2


def test_several_events_are_kept_together_and_each_known_one_is_counted(database: Database) -> None:
    known = make_event("2")
    events.add(database, known, [], lambda *_: [])
    fresh = [make_event(name) for name in ("1", "2", "3", "3")]
    added = events.add_all(
        database, [(event, [make_delivery(event)]) for event in fresh], lambda *_: []
    )
    assert [(one.event_id, one.duplicate, len(one.deliveries)) for one in added] == [
        (fresh[0].id, False, 1),
        (known.id, False, 0),  # nothing of it ever started, so it was planned again: to nothing
        (fresh[2].id, False, 1),
        (fresh[2].id, True, 0),
    ]
    assert counted(database, schema.event) == counted(database, schema.delivery) + 1 == 3


def test_of_several_events_one_bad_one_keeps_all_out(database: Database) -> None:
    good = make_event("1")
    bad = replace(make_event("2"), body=None)
    with pytest.raises(Exception, match="body"):
        events.add_all(database, [(good, [make_delivery(good)]), (bad, [])], never)
    assert counted(database, schema.event) == counted(database, schema.delivery) == 0


def test_a_thousand_events_come_in_at_once_beside_others(sqlite: Database) -> None:
    many = [[(make_event(f"{name}-{number}"), []) for number in range(1000)] for name in "abc"]
    threads = [
        threading.Thread(target=events.add_all, args=(sqlite, arrivals, never)) for arrivals in many
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(sqlite, schema.event) == 3000


def test_the_same_id_from_another_source_is_another_event(database: Database) -> None:
    events.add(database, make_event("1"), [], never)
    assert not events.add(database, make_event("1", source="gitlab"), [], never).duplicate


def test_a_duplicate_of_an_event_of_which_nothing_started_is_planned_again(
    database: Database,
) -> None:
    first = make_event("1")
    second = make_event("1")
    events.add(
        database,
        first,
        [make_delivery(first, status=Status.DEAD, reason="bad expression", inputs=None)],
        never,
    )
    added = events.add(
        database,
        second,
        [],
        lambda known, nonce: [replace(make_delivery(known), id=f"dlv_{nonce}")],
    )
    assert not added.duplicate
    assert added.event_id == first.id
    assert [each.event_id for each in added.deliveries] == [first.id]
    assert [each.status for each in events.deliveries_of(database, [first.id])[first.id]] == [
        Status.DEAD,
        Status.QUEUED,
    ]


@pytest.mark.parametrize(
    "status", [Status.QUEUED, Status.SENDING, Status.DELIVERED, Status.UNKNOWN, Status.BLOCKED]
)
def test_a_duplicate_of_an_event_that_waits_or_has_started_is_only_counted(
    database: Database, status: Status
) -> None:
    first = make_event("1")
    events.add(database, first, [make_delivery(first, status=status)], never)
    assert events.add(database, make_event("1"), [], never).duplicate


def test_a_duplicate_of_an_event_that_a_later_one_stands_for_is_only_counted(
    database: Database,
) -> None:
    """Planned again, it would send outdated values after the newer ones."""
    first = make_event("1")
    later = make_event("2")
    for event in (first, later):
        events.add(
            database,
            event,
            [make_delivery(event, debounce=Debounce(key="k", until=NOW + 60))],
            never,
        )
    merged = events.deliveries_of(database, [first.id])[first.id][0]
    assert (merged.status, merged.merged_into) == (Status.CANCELLED, make_delivery(later).id)
    assert events.add(database, make_event("1"), [], never).duplicate


def test_a_duplicate_of_an_event_that_was_tried_and_given_up_is_only_counted(
    database: Database,
) -> None:
    first = make_event("1")
    events.add(database, first, [make_delivery(first, status=Status.DEAD)], never)
    database.write(
        lambda connection: connection.execute(update(schema.delivery).values(attempts=1))
    )
    assert events.add(database, make_event("1"), [], never).duplicate


def test_planning_again_adds_no_second_shadow(database: Database) -> None:
    first = make_event("1")
    events.add(database, first, [make_delivery(first, status=Status.SHADOW)], never)
    added = events.add(
        database,
        make_event("1"),
        [],
        lambda known, _: [make_delivery(known, status=Status.SHADOW, id="dlv_2")],
    )
    assert (added.duplicate, added.deliveries) == (False, ())


def test_the_same_body_under_another_id_is_pointed_out_for_a_week(database: Database) -> None:
    first = make_event("1")
    events.add(database, first, [], never)
    second = make_event("2", now=NOW + 60)
    late = make_event("3", now=NOW + 8 * 86400)
    events.add(database, second, [], never)
    assert events.get(database, second.id).same_body_as == first.id
    events.add(database, late, [], never)
    assert events.get(database, late.id).same_body_as is None


def test_work_that_fails_undoes_its_own_changes_and_no_other(database: Database) -> None:
    kept = make_event("1")

    def bad(connection) -> None:
        connection.execute(insert(schema.config).values(hash="x", canonical="{}", seen_at=NOW))
        raise LookupError("a fault in the work itself")

    with pytest.raises(LookupError):
        database.write(bad)
    events.add(database, kept, [], never)
    assert counted(database, schema.config) == 0
    assert counted(database, schema.event) == 1


def test_writers_side_by_side_keep_everything_once(database: Database) -> None:
    """Sixteen threads, half of whose events are copies of each other's."""
    answers: list[bool] = []

    def work(name: int) -> None:
        for number in range(20):
            event = make_event(str(number) if name % 2 else f"{name}-{number}")
            answers.append(events.add(database, event, [make_delivery(event)], never).duplicate)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 320
    assert counted(database, schema.event) == counted(database, schema.delivery) == 8 * 20 + 20
    assert answers.count(True) == 7 * 20


def test_bad_work_in_a_batch_fails_alone(sqlite: Database) -> None:
    """The leader of a batch waits for the other jobs; one of them fails, the rest are stored."""
    started = threading.Event()
    go = threading.Event()
    outcomes: dict[str, object] = {}

    def slow(_connection) -> str:
        started.set()
        assert go.wait(60)
        return "leader"

    def failing(_connection) -> None:
        raise ValueError("this one only")

    def run(name: str, work) -> None:
        try:
            outcomes[name] = (
                sqlite.write(work) if callable(work) else events.add(sqlite, work, [], never)
            )
        except Exception as error:
            outcomes[name] = error

    threads = [threading.Thread(target=run, args=("leader", slow))]
    threads[0].start()
    assert started.wait(60)
    good = [make_event(str(number)) for number in range(4)]
    for name, work in [("bad", failing), *((event.id, event) for event in good)]:
        threads.append(threading.Thread(target=run, args=(name, work)))
        threads[-1].start()
    while len(sqlite._group._pending) < 5:
        threading.Event().wait(0.005)
    go.set()
    for thread in threads:
        thread.join()
    assert outcomes["leader"] == "leader"
    assert isinstance(outcomes["bad"], ValueError)
    assert counted(sqlite, schema.event) == 4


def test_a_commit_that_fails_is_a_store_error_and_the_next_one_works(sqlite: Database) -> None:
    def broken(connection) -> None:
        connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreError) as error:
        sqlite.write(broken)
    assert "INSERT" not in str(error.value)
    event = make_event("1")
    assert events.add(sqlite, event, [], never).event_id == event.id


def test_a_full_disk_is_a_store_error_and_recovers(sqlite: Database) -> None:
    """max_page_count simulates a full disk: SQLite reports both as "database or disk is full"."""
    with sqlite.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    sqlite.write(
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar()
    )
    with pytest.raises(StoreError, match="full"):
        events.add(sqlite, make_event("1", body=b"x" * 200_000), [], never)
    event = make_event("2")
    # the failed connection was dropped, and its limit with it
    assert events.add(sqlite, event, [], never).event_id == event.id
    assert counted(sqlite, schema.event) == 1


def test_a_configuration_is_remembered_once(database: Database) -> None:
    for now in (NOW, NOW + 1):
        configs.remember_config(database, "h", "{}", now)
    assert counted(database, schema.config) == 1


def test_a_worker_is_alive_while_it_beats(database: Database) -> None:
    assert heartbeats.workers_alive(database, NOW) == 0
    for now in (NOW, NOW + 3):
        database.write(
            lambda connection, now=now: heartbeats.beat(connection, "w1", "host", 1, now)
        )
    assert heartbeats.workers_alive(database, NOW + 10) == 1
    assert heartbeats.check_store(database, NOW + 10) == 1
    assert heartbeats.workers_alive(database, NOW + 30) == 0
    assert heartbeats.check_store(database, NOW + 30) == 0
    database.write(lambda connection: heartbeats.leave(connection, "w1"))
    assert heartbeats.workers_alive(database, NOW + 4) == 0
    assert heartbeats.check_store(database, NOW + 4) == 0


def test_a_rehearsal_leaves_no_connection_and_no_error_behind(
    database: Database, tmp_path: Path
) -> None:
    database.write(lambda connection: heartbeats.beat(connection, "w1", "host", 1, NOW))
    opened: list[object] = []
    closed: list[object] = []
    listen(database.engine, "checkout", lambda raw, *_: opened.append(raw))
    listen(database.engine, "close", lambda raw, _: closed.append(raw))
    heartbeats.rehearse_check(database)
    assert opened and set(map(id, opened)) <= set(map(id, closed))
    assert heartbeats.check_store(database, NOW) == 1
    absent = Database(f"sqlite:///{tmp_path / 'absent' / 'flowbridge.db'}")
    heartbeats.rehearse_check(absent)
    with pytest.raises(StoreError):
        heartbeats.check_store(absent, NOW)


DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]
BOTTOMLESS: list = []
for _ in range(100_000):
    BOTTOMLESS = [BOTTOMLESS]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": DEEP}, {"a": DEEP}),
        ({"a": "\0"}, {"a": "\0"}),
        ({"a": "x\udcff"}, {"a": "x?"}),
        (BOTTOMLESS, "(nested too deeply to be stored)"),
        ({"a": 2**70}, {"a": 2.0**70}),
    ],
    ids=["deep", "NUL", "lone surrogate", "bottomless", "long integer"],
)
def test_no_value_makes_a_transaction_fail(database: Database, value: object, kept: object) -> None:
    event = make_event("1", type="a", problem=None)
    events.add(database, event, [make_delivery(event, inputs=value)], never)
    assert (events.deliveries_of(database, [event.id])[event.id][0].inputs == kept) is True


@pytest.mark.timings(store_close_seconds=600.0)
def test_closing_waits_for_the_commit_of_another_thread_and_no_longer(
    new_sqlite: Callable[[Path], Database], tmp_path: Path
) -> None:
    database = new_sqlite(tmp_path / "flowbridge.db")
    begun, may_end, closed = (threading.Event() for _ in range(3))

    def work(connection: Connection) -> int:
        begun.set()
        may_end.wait(60)
        connection.exec_driver_sql("CREATE TABLE late (n INTEGER)")
        return 7

    def close() -> None:
        database.close()
        closed.set()

    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(database.write, work)
        assert begun.wait(60)
        pool.submit(close)
        until(lambda: database._closed, what="the call of close")
        assert not closed.is_set()
        may_end.set()
        assert written.result(60) == 7 and closed.wait(60)
    with sqlite3.connect(tmp_path / "flowbridge.db") as file:
        assert file.execute("SELECT count(*) FROM late").fetchone() == (0,)
    file.close()
