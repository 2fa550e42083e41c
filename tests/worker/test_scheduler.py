"""What machines that share a database do for each other: ring, agree on the time, and leave to one
of them what only one needs to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from postgres_server import end_connections
from records import NOW, make_delivery, make_event
from serving import until
from sqlalchemy import Connection, insert, text, update

from bridge.core.errors import StoreError
from bridge.core.model import Order
from bridge.store.db import clock, notify
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.db.leader import Leadership
from bridge.store.db.notify import WakeupListener, WakeupNotifier
from bridge.store.inbound import events
from bridge.store.operations import checkup
from bridge.store.queue import heartbeats
from bridge.store.tables import schema
from bridge.worker.maintenance.scheduler import Scheduler, ShortJob, short_jobs

# -- what a connection insists on


def shown(database: Database, *names: str) -> list[str]:
    return database.write(
        lambda connection: [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    )


def set_defaults(database: Database, **values: str) -> None:
    """Change the defaults of the database; new connections have them."""
    with database.engine.begin() as connection:
        for name, value in values.items():
            connection.execute(
                text(f"ALTER DATABASE {database.url.database} SET {name} = '{value}'")
            )
    database.engine.dispose()


def test_a_commit_is_on_disk_whatever_the_defaults_are(postgresql: Database) -> None:
    set_defaults(postgresql, synchronous_commit="off", default_transaction_isolation="serializable")
    with postgresql.engine.connect() as raw:
        # the same connection is used again
        raw.execute(text("SET default_transaction_isolation = 'serializable'"))
        raw.commit()
    assert shown(postgresql, "synchronous_commit", "transaction_isolation") == [
        "on",
        "read committed",
    ]
    with postgresql.read() as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"
    assert shown(postgresql, "transaction_isolation") == ["read committed"], (
        "a reader leaves nothing behind"
    )


@pytest.mark.timings(idle_transaction_seconds=1.0)
def test_who_stands_still_while_it_counts_keeps_nobody_from_it_for_long(
    postgresql: Database,
) -> None:
    counting = threading.Event()
    done = threading.Event()

    def stand_still(connection: Connection) -> None:
        take_lock(connection, Lock.COUNT_SLOTS)
        counting.set()
        assert done.wait(60)
        connection.execute(text("SELECT 1"))

    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(postgresql.write, stand_still)
        assert counting.wait(60)
        postgresql.write(lambda connection: take_lock(connection, Lock.COUNT_SLOTS))
        done.set()
        with pytest.raises(StoreError, match=r"idle-in-transaction timeout|connection"):
            hung.result()
    assert shown(postgresql, "server_version"), "the next one has a connection again"


@pytest.mark.parametrize("stronger", ["local", "remote_write", "remote_apply"])
def test_what_promises_no_less_is_left_as_it_is(postgresql: Database, stronger: str) -> None:
    set_defaults(postgresql, synchronous_commit=stronger)
    assert shown(postgresql, "synchronous_commit") == [stronger]


def test_db_check_says_what_of_the_server_matters(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checkup.check_database(postgresql)
    assert (found["problems"], found["notes"]) == ([], [])
    assert found["version"].startswith("PostgreSQL 1")
    set_defaults(postgresql, synchronous_commit="off")
    monkeypatch.setattr(checkup, "MIN_POSTGRES_VERSION", 990000)
    off, old = checkup.check_database(postgresql)["notes"]
    assert "synchronous_commit is off on the server" in off
    assert "PostgreSQL before" in old


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "server_encoding"])
def test_db_check_knows_the_settings_by_their_real_names(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They cannot be changed for one database alone, so other values are taken for the right
    ones.
    """
    monkeypatch.setitem(
        checkup.POSTGRES_SETTINGS, name, (("another",), checkup.POSTGRES_SETTINGS[name][1])
    )
    [note] = checkup.check_database(postgresql)["notes"]
    assert name in note or "encoding" in note


def test_a_reader_sees_one_state(database: Database) -> None:
    first = make_event("1")
    second = make_event("2")
    events.add(database, first, [], lambda *_: [])
    count = text("SELECT count(*) FROM event")
    with database.read() as connection:
        assert connection.execute(count).scalar() == 1
        events.add(database, second, [], lambda *_: [])
        assert connection.execute(count).scalar() == 1
    with database.read() as connection:
        assert connection.execute(count).scalar() == 2


# -- the bell


@contextmanager
def listening(database: Database) -> Iterator[tuple[WakeupListener, list[float]]]:
    rings: list[float] = []
    listener = WakeupListener(database, lambda: rings.append(time.monotonic()))
    listener.start()
    try:
        until(lambda: listener.is_connected and rings, what="a listener")
        yield listener, rings
    finally:
        listener.close()


def test_a_ring_is_heard_by_those_who_share_the_database(postgresql: Database) -> None:
    near = threading.Event()
    with listening(postgresql) as (_, rings):
        before = len(rings)
        WakeupNotifier(postgresql, near.set).notify()
        until(lambda: len(rings) > before, what="the ring")
        assert near.is_set()
        before = len(rings)
        notify.notify_workers(postgresql)
        until(lambda: len(rings) > before, what="the ring of a command")


def test_many_rings_are_few_notifications(postgresql: Database) -> None:
    ours = WakeupNotifier(postgresql, lambda: None)
    with listening(postgresql) as (_, rings):
        before = len(rings)
        for _ in range(2000):
            ours.notify()
        until(lambda: len(rings) > before, what="a ring")
        assert len(rings) - before < 1000


def test_bell_and_listener_come_back_after_their_connections_were_ended(
    postgresql: Database,
) -> None:
    ours = WakeupNotifier(postgresql, lambda: None)
    with listening(postgresql) as (listener, rings):
        before = 0

        def end_both() -> bool:
            nonlocal before
            ours.notify()  # it connects again, should only the listener have been connected
            before = len(rings)
            return end_connections(postgresql) >= 2

        until(end_both, what="two connections")
        until(
            lambda: listener.is_connected and len(rings) > before,
            what="a listener that rings once, for what it missed",
        )

        def heard_again() -> bool:
            at = len(rings)
            ours.notify()  # the first may be lost with the old connection
            time.sleep(0.05)
            return len(rings) > at

        until(heard_again, what="a ring over new connections")


def test_a_listener_that_cannot_listen_says_so(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(postgresql) as (listener, _):
        monkeypatch.setattr(notify, "CHANNEL", "no such channel")  # LISTEN is then a syntax error
        until(lambda: end_connections(postgresql) and not listener.is_connected, what="silence")


def test_on_sqlite_nothing_is_rung_or_heard(sqlite: Database) -> None:
    near = threading.Event()
    listener = WakeupListener(sqlite, near.set)
    listener.start()
    notify.notify_workers(sqlite)
    assert not listener.is_connected
    listener.close()
    WakeupNotifier(sqlite, near.set).notify()
    assert near.is_set()


# -- the time


def test_the_clock_is_that_of_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = time.time
    monkeypatch.setattr(clock.time, "time", lambda: really() + 300)
    ours = DatabaseClock(database)
    ours.set()
    off = ours() - really()
    assert abs(off - (300 if database.is_sqlite else 0)) < 100


@pytest.mark.parametrize(
    ("spans", "off"),
    [((600.0, 0.01, 9.0), 600.005), ((600.0, 400.0, 900.0), 800.0)],
    ids=["once", "each time"],
)
def test_an_answer_during_which_the_machine_stood_still_is_asked_for_again(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, spans: tuple[float, ...], off: float
) -> None:
    at = real = time.time()
    moments = [at := at + span for before in spans for span in (0.0, before)]
    monkeypatch.setattr(clock, "time", SimpleNamespace(time=lambda: moments.pop(0)))
    assert clock.measure_offset(postgresql) == pytest.approx(real - (real + off), abs=100.0)
    assert len(moments) == (2 if off < 700 else 0)


# -- who leads


def one(_connection: object) -> int:
    return 1


def test_one_leads_until_it_gives_up(database: Database) -> None:
    first = Leadership(database)
    second = Leadership(database)
    assert [first.run_as_leader(one), second.run_as_leader(one), first.run_as_leader(one)] == [
        1,
        None,
        1,
    ]
    first.release()
    # a server takes a moment to see that a session is over
    until(lambda: second.run_as_leader(one) == 1, what="the other to lead")
    assert first.run_as_leader(one) is None
    second.release()


def test_each_schema_of_a_database_has_a_leader_of_its_own(postgresql: Database) -> None:
    with postgresql.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA other"))
    other = Database(
        postgresql.url.update_query_dict({"options": "-csearch_path=other"}).render_as_string(
            hide_password=False
        )
    )
    first = Leadership(postgresql)
    second = Leadership(other)
    assert [first.run_as_leader(one), second.run_as_leader(one)] == [1, 1]
    first.release()
    second.release()
    other.close()


def test_who_leads_commits_and_who_does_not_does_nothing(database: Database) -> None:
    def note(name: str):
        return lambda connection: (
            connection.execute(insert(schema.config).values(hash=name, canonical="{}", seen_at=NOW))
            and 1
        )

    first = Leadership(database)
    second = Leadership(database)
    assert [first.run_as_leader(note("a")), second.run_as_leader(note("b"))] == [1, None]
    with database.read() as connection:
        assert connection.execute(text("SELECT hash FROM config")).scalars().all() == ["a"]
    first.release()
    second.release()


def test_a_leader_whose_session_ended_does_nothing_and_another_leads(postgresql: Database) -> None:
    first = Leadership(postgresql)
    second = Leadership(postgresql)
    assert first.run_as_leader(one) == 1
    end_connections(postgresql)
    with pytest.raises(StoreError):
        first.run_as_leader(one)
    assert second.run_as_leader(one) == 1
    assert first.run_as_leader(one) is None
    second.release()


@pytest.mark.timings(leader_idle_seconds=2.0)
def test_a_leader_that_hangs_loses_its_session(postgresql: Database) -> None:
    first = Leadership(postgresql)
    second = Leadership(postgresql)
    assert first.run_as_leader(one) == 1
    until(lambda: second.run_as_leader(one) == 1, what="another leader")
    with pytest.raises(StoreError):
        first.run_as_leader(one)
    second.release()


# -- the chores


@contextmanager
def keeping(database: Database, *chores: ShortJob) -> Iterator[Scheduler]:
    keeper = Scheduler(database, DatabaseClock(database), 0.02, chores)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.close()


def test_one_of_two_does_a_chore_and_the_other_when_it_is_gone(database: Database) -> None:
    done: list[str] = []

    def chore(name: str) -> ShortJob:
        return ShortJob("noting", 0.0, lambda *_: done.append(name) or 0)  # type: ignore[func-returns-value]

    with keeping(database, chore("second")) as second:
        until(lambda: "second" in done, what="the chore")
        with keeping(database, chore("first")):
            until(lambda: len(done) > 20, what="twenty times")
            assert set(done) == {"second"}
            second.close()
            until(lambda: "first" in done, what="the other's turn")


def test_a_job_for_everywhere_is_run_by_those_that_do_not_lead(database: Database) -> None:
    done: list[str] = []

    def jobs(name: str) -> tuple[ShortJob, ...]:
        return (
            ShortJob("leads", 0.0, lambda *_: done.append(f"{name} leads") or 0),  # type: ignore[func-returns-value]
            ShortJob("all", 0.0, lambda *_: done.append(f"{name} all") or 0, everywhere=True),  # type: ignore[func-returns-value]
        )

    leader, other = (
        Scheduler(database, DatabaseClock(database), 1.0, jobs(name)) for name in ("one", "two")
    )
    for each in (leader, other, leader, other):
        each.run_due()
    assert done == ["one leads", "one all", "two all"] * 2


def test_a_chore_is_done_as_often_as_its_row_says(sqlite: Database) -> None:
    often: list[float] = []
    seldom: list[float] = []
    rows = (
        ShortJob("often", 0.0, lambda _, now: often.append(now) or 0),
        ShortJob("seldom", 3600.0, lambda _, now: seldom.append(now) or 0),
    )  # type: ignore[func-returns-value]
    with keeping(sqlite, *rows):
        until(lambda: len(often) > 10, what="ten times")
    assert len(seldom) == 1


@pytest.mark.parametrize(
    "step", [3600.0, -3600.0], ids=["it was suspended", "the clock was set back"]
)
def test_after_it_stood_still_what_others_would_lose_by_it_has_patience(
    sqlite: Database, step: float
) -> None:
    done: list[str] = []
    clock = [NOW]
    rows = (
        ShortJob("takes", 0.0, lambda *_: done.append("takes") or 0, patience=10.0),  # type: ignore[func-returns-value]
        ShortJob("tells", 0.0, lambda *_: done.append("tells") or 0),  # type: ignore[func-returns-value]
    )
    keeper = Scheduler(sqlite, lambda: clock[0], 1.0, rows)  # type: ignore[arg-type]
    for passed, expected in [
        (1.0, ["takes", "tells"]),
        (step, ["tells"]),
        (1.0, ["tells"]),
        (3.0, ["tells"]),
        (3.0, ["tells"]),
        (3.5, ["takes", "tells"]),
    ]:
        clock[0] += passed
        done.clear()
        keeper.run_due()
        assert done == expected


class FailingThread:
    """A thread of jobs that cannot start."""

    def start_due(self, _leads: object) -> None:
        raise RuntimeError("can't start new thread")

    def end(self) -> None:
        pass

    close = end


def test_jobs_go_on_where_a_thread_cannot_start(sqlite: Database) -> None:
    done: list[float] = []
    job = ShortJob("often", 0.0, lambda _, now: done.append(now) or 0)  # type: ignore[func-returns-value]
    scheduler = Scheduler(sqlite, DatabaseClock(sqlite), 0.02, [job], [FailingThread()])
    scheduler.start()
    until(lambda: len(done) > 1, what="the second time")
    scheduler.close()


def test_a_chore_that_is_not_needed_writes_nothing(sqlite: Database) -> None:
    done: list[str] = []
    rows = (
        ShortJob("needless", 0.0, lambda *_: done.append("needless") or 0, needed=lambda _: False),  # type: ignore[func-returns-value]
        ShortJob("needed", 0.0, lambda *_: done.append("needed") or 0, needed=lambda _: True),  # type: ignore[func-returns-value]
    )
    with keeping(sqlite, *rows):
        until(lambda: len(done) > 3, what="the other")
    assert set(done) == {"needed"}


def test_a_chore_that_fails_is_said_and_holds_up_no_other(database: Database) -> None:
    done: list[float] = []

    def fails(*_: object) -> int:
        raise ZeroDivisionError

    rows = (
        ShortJob("fails", 0.0, fails),
        ShortJob("works", 0.0, lambda _, now: done.append(now) or 0),
    )  # type: ignore[func-returns-value]
    with keeping(database, *rows):
        until(lambda: len(done) > 3, what="the other chore")


def test_every_worker_does_some_chores_at_its_start_whoever_leads(database: Database) -> None:
    done: list[str] = []
    leader = Leadership(database)
    leader.run_as_leader(one)
    with keeping(
        database, ShortJob("first", 60.0, lambda *_: done.append("at start") or 0, at_start=True)
    ):  # type: ignore[func-returns-value]
        until(lambda: done, what="the chore")
    assert done == ["at start"]
    leader.release()


def test_the_chores_mend_lines_and_forget_the_dead(database: Database) -> None:
    """A line whose head somebody took away by hand, and a worker that died days ago."""
    order = Order(key="k")
    ids = []
    for _ in range(2):
        event = make_event(None)
        delivery = make_delivery(event, order=order)
        events.add(database, event, [delivery], lambda *_: [])
        ids.append(delivery.id)
    table = schema.delivery
    by_hand = update(table).where(table.c.id == ids[0]).values(holds_key=False, status="cancelled")
    database.write(lambda connection: connection.execute(by_hand))
    database.write(
        lambda connection: heartbeats.beat(
            connection, "old", "host", 1, time.time() - 2 * heartbeats.FORGET_SECONDS
        )
    )
    database.write(lambda connection: heartbeats.beat(connection, "new", "host", 2, time.time()))

    def state() -> tuple[str, list[str]]:
        with database.read() as connection:
            status = connection.execute(
                text("SELECT status FROM delivery WHERE id = :id"), {"id": ids[1]}
            ).scalar_one()
            return status, list(connection.execute(text("SELECT id FROM worker")).scalars())

    assert state()[0] == "blocked"
    with keeping(database, *short_jobs(database.timings)):
        until(lambda: state() == ("queued", ["new"]), what="order")
