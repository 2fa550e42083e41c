"""PostgreSQL: concurrent callers share a commit, and none waits or fails for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from gathering import add_each, asked, never
from postgres_server import end_connections, execute
from records import NOW, make_delivery, make_event
from serving import until
from sqlalchemy import select, text

from bridge.core.errors import StoreError
from bridge.core.model import Debounce, Event, Order
from bridge.store.db import commit_queue, postgres
from bridge.store.db import database as database_module
from bridge.store.db.advisory_locks import take_key_locks
from bridge.store.db.commit_queue import WriteJob
from bridge.store.db.database import Database
from bridge.store.encryption import NO_ENCRYPTION
from bridge.store.inbound import events
from bridge.store.inbound.arrivals import ARRIVAL_BATCH, ArrivalRows
from bridge.store.tables import schema

PATIENT = pytest.mark.timings(shared_commit_lock_seconds=60.0)


def add(database: Database, event: Event, order: Order | None = None) -> Any:
    [result] = add_each(database, [asked(event, order=order)])
    return result


def stored(database: Database) -> list[str]:
    """Return the ids of the events in the order of `seq`."""
    with database.read() as connection:
        return list(
            connection.execute(select(schema.event.c.id).order_by(schema.event.c.seq)).scalars()
        )


class Callers:
    """Work in threads, which begins at once."""

    def __init__(self, *work: Callable[[], Any]) -> None:
        self._results: list[Any] = [None] * len(work)
        self._threads = [
            threading.Thread(target=self._run, args=(place, one)) for place, one in enumerate(work)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, place: int, work: Callable[[], Any]) -> None:
        try:
            self._results[place] = work()
        except Exception as error:
            self._results[place] = error

    def results(self) -> list[Any]:
        """Wait for all, and return what each returned or raised."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a caller waits for ever"
        return self._results


def waiting(database: Database) -> list[int]:
    """Return the backends that wait for a lock."""
    with database.read() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock'"
                )
            ).scalars()
        )


@contextmanager
def uncommitted(database: Database, event: Event) -> Iterator[None]:
    """Insert an event in a transaction that lasts as long as the block, and is rolled back."""
    with database.engine.connect() as connection:
        assert events.add_one(connection, (event, []))
        yield
        connection.rollback()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of events of each statement."""
    sizes: list[int] = []
    insert = ARRIVAL_BATCH.insert

    def count(raw: Any, items: Any) -> list[bool]:
        sizes.append(len(items))
        return insert(raw, items)

    monkeypatch.setattr(ARRIVAL_BATCH, "insert", count)
    return sizes


def test_the_events_of_several_requests_are_one_statement(
    postgresql: Database, statements: list[int]
) -> None:
    each = [make_event(str(number)) for number in range(40)]
    results = add_each(postgresql, [asked(event) for event in each])
    assert [one.event_id for [one] in results] == [event.id for event in each]
    assert statements == [40]


def test_a_shared_commit_waits_for_the_disk_and_sees_what_others_committed(
    postgresql: Database,
) -> None:
    raw: Any = postgresql._queue._kept.open()
    settings = (
        "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')"
    )
    assert raw.execute(settings).fetchone() == ("on", "read committed")
    assert raw.autocommit


@PATIENT
def test_callers_that_come_during_a_commit_share_the_next_one(
    postgresql: Database, statements: list[int]
) -> None:
    first = make_event("first")
    others = [make_event(str(number)) for number in range(5)]
    with uncommitted(postgresql, make_event("first")):
        leader = Callers(lambda: add(postgresql, first))
        until(lambda: waiting(postgresql), what="the leader's wait")
        more = Callers(*(partial(add, postgresql, one) for one in others))
        until(lambda: len(postgresql._queue._pending) == 5, what="five callers")
    results = [*leader.results(), *more.results()]
    assert [one.event_id for [one] in results] == [first.id, *(one.id for one in others)]
    assert statements[1:] == [1, 5]


def test_the_order_of_arrival_stays_that_of_the_events(postgresql: Database) -> None:
    """They are inserted in the order of their ids, so that two receivers do not deadlock."""
    each = [make_event(name) for name in "dbca"]
    add_each(postgresql, [asked(*each[:2]), asked(*each[2:])])
    assert stored(postgresql) == [event.id for event in each]


def test_the_order_of_arrival_stays_that_of_an_ordering_key(postgresql: Database) -> None:
    each = [make_event(name) for name in "cab"]
    key = Order(key="k")
    results = add_each(postgresql, [asked(event, order=key) for event in each])
    assert [one.event_id for [one] in results] == [event.id for event in each]
    with postgresql.read() as connection:
        columns = schema.delivery.c
        rows = connection.execute(
            select(columns.event_id, columns.status).order_by(columns.seq)
        ).all()
    statuses = ["queued", "blocked", "blocked"]
    assert [tuple(row) for row in rows] == list(
        zip([event.id for event in each], statuses, strict=True)
    )


def test_deliveries_of_one_debounce_key_are_merged_within_a_commit(postgresql: Database) -> None:
    each = [make_event(name) for name in "bca"]
    merged = [
        ([(event, [make_delivery(event, debounce=Debounce(key="k", until=NOW + 60))])], never)
        for event in each
    ]
    add_each(postgresql, merged)
    with postgresql.read() as connection:
        columns = schema.delivery.c
        rows = connection.execute(select(columns.event_id, columns.status)).all()
    assert {row.event_id: row.status for row in rows} == {
        each[0].id: "cancelled",
        each[1].id: "cancelled",
        each[2].id: "queued",
    }


def test_an_equal_body_is_noted_within_a_commit_and_across_commits(database: Database) -> None:
    first, second, third, other = (
        make_event("1", body=b"a"),
        make_event("2", body=b"a"),
        make_event("3", body=b"a"),
        make_event("4", body=b"b"),
    )
    add_each(database, [asked(first)])
    again = make_event("1", body=b"a")
    deleted = make_event("gone", body=b"a")
    with database.engine.begin() as connection:
        connection.execute(
            schema.deleted_id.insert().values(
                source=deleted.source,
                provider_id="gone",
                event_id="evt_deleted",
                received_at=NOW,
                expires_at=NOW + 1000,
            )
        )
    results = add_each(
        database,
        [
            ([(again, [])], lambda *_: []),
            ([(deleted, [])], never),
            asked(second),
            asked(other),
            asked(third),
        ],
    )
    assert [one.event_id for [one] in results] == [
        first.id,
        "evt_deleted",
        second.id,
        other.id,
        third.id,
    ]
    with database.read() as connection:
        rows = connection.execute(select(schema.event.c.id, schema.event.c.same_body_as)).all()
    assert {row.id: row.same_body_as for row in rows} == {
        first.id: None,
        second.id: first.id,
        other.id: None,
        third.id: second.id,
    }


def test_all_that_may_be_in_a_request_is_stored_as_it_came(database: Database) -> None:
    """The rows of PostgreSQL travel as JSON."""
    odd = "a\\u0000\0\"\\'%s{}é\U0001f600\u2028"
    event = make_event(
        odd.replace("\0", ""),
        now=1_764_000_000.123456,
        body=bytes(range(256)) * 40,
        headers={"x-odd": odd},
        query_string="a=%00&b=%s",
        sender_retry=2**31 - 1,
        problem=odd.replace("\0", ""),
        client="2001:db8::1",
    )
    delivery = make_delivery(event, now=0.1 + 0.2, inputs={"odd": odd, "n": [1, 2.5, None, True]})
    [[added]] = add_each(database, [([(event, [delivery])], never)])
    assert added.event_id == event.id
    assert events.get(database, event.id) == event
    [found] = events.deliveries_of(database, [event.id])[event.id]
    assert (found.inputs, found.created_at) == (delivery.inputs, delivery.created_at)


@pytest.mark.parametrize("changes", [{"type": "a\0b"}, {"type": "\ud800"}, {"source": None}])
def test_what_postgresql_cannot_store_fails_alone(
    postgresql: Database, changes: dict[str, Any]
) -> None:
    good = [make_event(str(number)) for number in range(3)]
    bad = make_event("bad", **changes)
    results = add_each(postgresql, [asked(good[0]), asked(good[1], bad), asked(good[2]), asked()])
    assert [isinstance(result, Exception) for result in results] == [False, True, False, False]
    assert stored(postgresql) == [good[0].id, good[2].id]


@PATIENT
@pytest.mark.parametrize("order", [None, Order(key="k")], ids=["unordered", "ordered"])
def test_two_receivers_with_the_same_events_in_opposite_order_do_not_deadlock(
    postgresql: Database, order: Order | None
) -> None:
    """Each waits for an event in the middle when it has inserted its first half."""
    other = Database(
        postgresql.url.render_as_string(hide_password=False), timings=postgresql.timings
    )
    names = ["1", "2", "3", "4", "5"]

    def store(database: Database, names: list[str]) -> dict[str, Any]:
        requests = [asked(make_event(one), order=order) for one in names]
        results = add_each(database, requests)
        return {name: one for name, [one] in zip(names, results, strict=True)}

    with uncommitted(postgresql, make_event("3")):
        callers = Callers(
            partial(store, postgresql, names), partial(store, other, list(reversed(names)))
        )
        until(lambda: len(waiting(postgresql)) == 2, what="two that wait")
    first, second = callers.results()
    other.close()
    assert [first[one].event_id for one in names] == [second[one].event_id for one in names]
    assert all(first[one].duplicate != second[one].duplicate for one in names)
    assert len(stored(postgresql)) == len(names)
    with postgresql.read() as connection:
        deadlocks = connection.execute(
            text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        ).scalar()
    assert deadlocks == 0


def test_a_caller_that_waits_for_a_lock_holds_up_no_other(postgresql: Database) -> None:
    """A worker that hangs with an ordering key stops the events of this key only."""
    keyed = make_event("keyed")
    with postgresql.engine.begin() as connection:
        take_key_locks(connection, [("triage", "k")])
        held_up = Callers(lambda: add(postgresql, keyed, Order(key="k")))
        until(lambda: waiting(postgresql), what="the wait")
        others = [make_event(str(number)) for number in range(5)]
        for one in others:
            [result] = add(postgresql, one)
            assert result.event_id == one.id
        until(lambda: waiting(postgresql), what="the wait of the transaction by itself")
    [[result]] = held_up.results()
    assert result.event_id == keyed.id
    assert len(stored(postgresql)) == 6


@pytest.mark.parametrize("failure", ["DeadlockDetected", "SerializationFailure"])
def test_a_deadlock_is_tried_again_request_by_request(
    postgresql: Database, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psycopg import errors

    insert = ARRIVAL_BATCH.insert
    sizes: list[int] = []

    def fail_once(raw: Any, items: Any) -> list[bool]:
        sizes.append(len(items))
        if len(sizes) == 1:
            raise getattr(errors, failure)
        return insert(raw, items)

    monkeypatch.setattr(ARRIVAL_BATCH, "insert", fail_once)
    each = [make_event(str(number)) for number in range(3)]
    results = add_each(postgresql, [asked(event) for event in each])
    assert [one.event_id for [one] in results] == [event.id for event in each]
    assert sizes == [3, 1, 1, 1]


@PATIENT
def test_a_connection_that_is_killed_stores_nothing_and_the_next_commit_has_another(
    postgresql: Database,
) -> None:
    first = make_event("2")
    others = [make_event(number) for number in "13"]
    with uncommitted(postgresql, make_event("2")):
        leader = Callers(lambda: add_each(postgresql, [asked(one) for one in (first, *others)]))
        until(lambda: waiting(postgresql), what="the wait")
        more = Callers(lambda: add(postgresql, make_event("next")))
        until(lambda: len(postgresql._queue._pending) == 1, what="the next caller")
        [backend] = waiting(postgresql)
        with postgresql.engine.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    [results] = leader.results()
    assert [type(result) for result in results] == [StoreError] * 3
    assert all("terminating connection" in str(result) for result in results)
    [[following]] = more.results()
    assert stored(postgresql) == [following.event_id]
    again = add_each(postgresql, [asked(one) for one in (first, *others)])
    assert [one.event_id for [one] in again] == [first.id, *(one.id for one in others)]


def test_a_connection_that_was_killed_while_idle_fails_no_caller(postgresql: Database) -> None:
    add(postgresql, make_event("1"))
    raw: Any = postgresql._queue._kept.open()
    assert end_connections(postgresql) >= 1
    until(lambda: postgres.has_input(raw), what="the end of the connection")
    [result] = add(postgresql, make_event("2"))
    assert not result.duplicate
    assert len(stored(postgresql)) == 2


def test_connections_of_the_pool_that_ended_while_idle_fail_no_caller(postgresql: Database) -> None:
    with postgresql.engine.connect() as one, postgresql.engine.connect() as other:
        idle: list[Any] = [each.connection.driver_connection for each in (one, other)]
    execute(
        postgresql.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    until(lambda: all(map(postgres.has_input, idle)), what="the end of the connections")
    postgresql.write(lambda connection: connection.execute(text("SELECT 1")))
    with postgresql.read() as connection:
        connection.execute(text("SELECT 1"))


def test_without_a_server_all_that_wait_fail_at_once(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psycopg import OperationalError

    tries: list[int] = []

    def refuse() -> Any:
        tries.append(1)
        raise OperationalError("connection failed: no route")

    monkeypatch.setattr(postgresql._queue._kept, "open", refuse)
    each = [make_event(str(number)) for number in range(3 * commit_queue.MAX_BATCH_JOBS)]
    results = add_each(postgresql, [asked(event) for event in each])
    assert {str(result) for result in results} == {"no connection to the database: no route"}
    assert len(tries) == 1


def test_large_events_take_several_commits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "MAX_BATCH_BYTES", 1000)
    taken: list[int] = []
    take = database._queue._take

    def count(batch: list[Any]) -> None:
        take(batch)
        taken.append(len(batch))

    monkeypatch.setattr(database._queue, "_take", count)
    sizes = [300, 300, 5000, 300, 300, 300]
    each = [make_event(str(place), body=b"x" * size) for place, size in enumerate(sizes)]
    results = add_each(database, [asked(event) for event in each])
    assert [one.event_id for [one] in results] == [event.id for event in each]
    assert taken == [2, 1, 2, 1]


def crossed(prefix: str, keys: str) -> Any:
    """Return a request with one event for each ordering key."""
    pairs = [
        (event, [make_delivery(event, order=Order(key=key))])
        for key in keys
        for event in [make_event(f"{prefix}{key}")]
    ]
    return pairs, never


@PATIENT
def test_requests_that_write_alone_lock_their_keys_in_one_order(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The triggers lock one key after the other, in the order of the rows."""
    locked: list[list[str]] = []
    take = database_module.lock_keys

    def note(raw: Any, keys: Any) -> None:
        locked.append(sorted(key for _, pairs in keys for _, key in pairs))
        take(raw, keys)

    def fail(raw: Any, batch: Any) -> None:
        raise ValueError("each writes alone")

    monkeypatch.setattr(database_module, "_insert", fail)
    monkeypatch.setattr(database_module, "lock_keys", note)
    results = add_each(postgresql, [crossed("1", "ab"), crossed("2", "ba")])
    assert [len(result) for result in results] == [2, 2]
    assert locked == [["a", "b"], ["a", "b"]]


def rows_of(name: str) -> ArrivalRows:
    return ArrivalRows.of((make_event(name), []), NO_ENCRYPTION, "")


@PATIENT
def test_a_session_that_the_server_ends_fails_all_and_is_not_tried_request_by_request(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error need not name a class of the server's own."""

    def end(raw: Any, items: Any) -> list[bool]:
        raw.close()
        raise ValueError("the connection is closed")

    monkeypatch.setattr(ARRIVAL_BATCH, "insert", end)
    jobs = [WriteJob(ARRIVAL_BATCH, [rows_of(name)]) for name in "123"]
    postgresql._queue.write_each(jobs)
    assert [job.write_alone for job in jobs] == [None] * 3
    assert all(job.error is not None for job in jobs)


def test_a_batch_of_two_kinds_stores_nothing_where_the_second_fails(postgresql: Database) -> None:
    class Failing(type(ARRIVAL_BATCH)):  # type: ignore[misc]
        def insert(self, raw: Any, items: Any) -> list[bool]:
            raise ValueError("this kind fails")

    failing = Failing()
    jobs = [
        WriteJob(ARRIVAL_BATCH, [rows_of("1")]),
        WriteJob(failing, [rows_of("2")]),
    ]
    postgresql._queue.write_each(jobs)
    assert all(job.write_alone is not None for job in jobs)
    assert stored(postgresql) == []
