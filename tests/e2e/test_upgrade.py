"""A fleet is upgraded one process after another: those of the version before go on working while
the schema changes under them.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic import command
from alembic_settings import scripts
from records import NOW
from serving import until
from sqlalchemy import event as listeners
from sqlalchemy import make_url, text

from bridge.core.errors import StoreError
from bridge.core.timings import Timings
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.queue import claims
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema

pytestmark = pytest.mark.usefixtures("slow")

#: The next step adds a column to deliveries.
BEFORE_DELIVERIES = "0030"
MANY = 1_000_000  # slots: each start of the old process holds one, also during an upgrade
# What an early version wrote, statement by statement: 0.1.0 writes more columns.
EVENT = (
    "id",
    "source",
    "provider",
    "type",
    "provider_id",
    "received_at",
    "config_hash",
    "problem",
    "body_sha256",
    "headers",
    "query_string",
    "body",
)
DELIVERY = (
    "id",
    "event_id",
    "route",
    "flow",
    "platform",
    "saved_item_id",
    "status",
    "reason",
    "created_at",
    "due_at",
    "finished_at",
    "config_hash",
    "retry_attempts",
    "retry_first",
    "retry_max",
    "on_unknown",
    "run_timeout",
    "whole_body",
    "inputs",
)
READ = (
    "seq",
    *DELIVERY,
    "attempts",
    "throttled",
    "delivered_at",
    "lease",
    "lease_until",
    "slot",
    "poll_at",
    "polls",
    "run_id",
    "run_url",
    "run_state",
    "raw_state",
    "outputs",
    "log",
)
HEAD = f"SELECT {', '.join(READ)} FROM delivery WHERE status = 'queued' AND platform = 'p' ORDER BY due_at, seq LIMIT 1"  # noqa: S608
LEASE = (
    "UPDATE delivery SET status = 'sending', lease = ?, lease_until = ?, slot = ?, reason = NULL"
    " WHERE id = ? AND status = 'queued'"
)
INTENT = "INSERT INTO attempt (delivery_id, number, started_at) VALUES (?, ?, ?)"
COMPLETE = (
    "UPDATE attempt SET finished_at = ?, outcome = 'started', status_code = 200, detail = NULL,"
    " run_id = ? WHERE delivery_id = ?"
)
SETTLE = (
    "UPDATE delivery SET status = 'delivered', reason = NULL, delivered_at = ?, run_id = ?, run_url"
    " = NULL, run_state = 'queued', slot = ?, poll_at = ?, attempts = attempts + 1, throttled ="
    " throttled + 0, lease = NULL, lease_until = NULL, polls = 0 WHERE id = ?"
)


def event_values(number: int) -> tuple[Any, ...]:
    return (
        f"evt_old{number}",
        "github",
        "github",
        "issues",
        f"id-{number}",
        NOW,
        "0" * 64,
        None,
        f"sha-{number}",
        "{}",
        "",
        b"{}",
    )


def delivery_values(number: int) -> tuple[Any, ...]:
    return (
        f"dlv_old{number}",
        f"evt_old{number}",
        "old",
        "p/f",
        "p",
        "f",
        "queued",
        None,
        NOW,
        NOW,
        None,
        "0" * 64,
        12,
        5.0,
        21600.0,
        "hold",
        3600.0,
        False,
        '{"a":1}',
    )


class OldSqlite:
    """A process of the version before, on SQLite."""

    def __init__(self, url: str) -> None:
        path = make_url(url).database or ""
        self._raw = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def _turn(self, begin: bool) -> Iterator[sqlite3.Connection]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            if begin:
                self._raw.execute("BEGIN IMMEDIATE")
            yield self._raw
            if begin:
                self._raw.execute("COMMIT")
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def receive(self, number: int) -> None:
        columns = (*EVENT, "since", "deliveries")
        values = (
            *event_values(number),
            NOW - 7 * 86400.0,
            orjson.dumps([list(delivery_values(number))]).decode(),
        )
        with self._turn(begin=False) as raw:
            raw.execute(
                f"INSERT INTO arrival ({', '.join(columns)}) VALUES"  # noqa: S608
                f" ({', '.join('?' * len(columns))})",
                values,
            )

    def work(self, token: str) -> str | None:
        with self._turn(begin=True) as raw:
            return work(lambda statement, values=(): raw.execute(statement, values), token)

    def close(self) -> None:
        self._raw.close()
        os.close(self._lock)


class OldPostgres:
    """The same on PostgreSQL."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._raw = psycopg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        )

    def receive(self, number: int) -> None:
        same = (
            "(SELECT known.id FROM event AS known WHERE known.seq = (SELECT max(seq) FROM event"
            " WHERE source = %s AND body_sha256 = %s))"
        )
        event = f"INSERT INTO event ({', '.join(EVENT)}, same_body_as) VALUES ({', '.join(['%s'] * len(EVENT))}, {same})"  # noqa: S608
        event += (
            " ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING"
            " RETURNING seq"
        )
        delivery = f"INSERT INTO delivery ({', '.join(DELIVERY)}) VALUES ({', '.join(['%s'] * len(DELIVERY))})"  # noqa: S608
        with self._raw.transaction():
            self._raw.execute(event, (*event_values(number), "github", f"sha-{number}"))
            self._raw.execute(delivery, delivery_values(number))

    def work(self, token: str) -> str | None:
        def execute(statement: str, values: Any = ()) -> Any:
            locked = f"{statement} FOR UPDATE SKIP LOCKED" if statement is HEAD else statement
            return self._raw.execute(locked.replace("?", "%s"), values)

        with self._raw.transaction():
            self._raw.execute("SELECT pg_advisory_xact_lock(1718186849)")
            return work(execute, token)

    def close(self) -> None:
        self._raw.close()


def work(execute: Callable[..., Any], token: str) -> str | None:
    """Take the next delivery and start it, as two turns of the worker do; return its id."""
    row = execute(HEAD).fetchone()
    if row is None:
        return None
    id_ = str(row[1])
    execute(LEASE, (token, NOW + 10, True, id_))
    execute(INTENT, (id_, 1, NOW))
    execute(COMPLETE, (NOW, f"run-{id_}", id_))
    execute(SETTLE, (NOW, f"run-{id_}", True, NOW + 2, id_))
    return id_


def old_process(url: str, first: int, over: Any, told: Any) -> None:
    """Receive and work until `over`; tell what was received, what was worked on, and what went
    wrong.
    """
    old = OldSqlite(url) if url.startswith("sqlite") else OldPostgres(url)
    received = []
    worked = []
    wrong = ""
    number = first
    try:
        while not over.is_set():
            old.receive(number)
            received.append(f"evt_old{number}")
            worked.append(old.work(f"old:{number}"))
            told.put(number)
            number += 1
    except Exception as error:
        wrong = repr(error)
    old.close()
    told.put((received, worked, wrong))


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of the first release, with some hundred events."""
    sqlite_url = f"sqlite:///{tmp_path / 'flowbridge.db'}"
    database = Database(
        sqlite_url if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    )
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), "0022")
    old = OldSqlite(sqlite_url) if database.is_sqlite else OldPostgres(url_of(database))
    for number in range(300):
        old.receive(number)
    old.close()
    yield database
    database.close()


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


class Old:
    """The process of the version before, while it runs."""

    def __init__(self, database: Database) -> None:
        context = multiprocessing.get_context("spawn")
        self._over = context.Event()
        self._told = context.Queue()
        self._process = context.Process(
            target=old_process, args=(url_of(database), 1000, self._over, self._told), daemon=True
        )
        self._process.start()

    def goes_on(self, turns: int = 20) -> None:
        for _ in range(turns):
            assert isinstance(self._told.get(timeout=60), int), "it met an error"

    def end(self) -> tuple[list[str], list[str | None], str]:
        self._over.set()
        while isinstance(said := self._told.get(timeout=60), int):
            pass
        self._process.join(60)
        return said


@pytest.mark.usefixtures("new_processes")
def test_processes_of_the_version_before_receive_and_work_through_an_upgrade(
    before: Database,
) -> None:
    old = Old(before)
    old.goes_on()
    assert upgrade.upgrade(before) == ("0022", schema.HEAD)
    old.goes_on(60)
    received, worked, wrong = old.end()
    assert wrong == ""
    done = [one for one in worked if one is not None]
    assert len(done) == len(set(done)) == len(received) >= 80
    with before.read() as connection:
        kept = set(connection.execute(text("SELECT id FROM event")).scalars())
        assert set(received) <= kept
        assert (
            len(kept)
            == 300 + len(received)
            == connection.execute(text("SELECT count(*) FROM delivery")).scalar()
        )
        rows = connection.execute(
            text(
                "SELECT status, attempts, on_run_failed, holds_key FROM delivery WHERE run_id IS"
                " NOT NULL"
            )
        ).all()
        assert {tuple(row) for row in rows} == {("delivered", 1, "ignore", 0)}
    taken = before.write(
        lambda c: claims.claim(c, ClaimLimits(caps={"p": MANY}), limit=5, now=NOW + 60, lease="new")
    )
    assert len(taken) == 5, "and the present version takes what is left"


@pytest.mark.usefixtures("before_release")
def test_a_migration_gives_way_instead_of_holding_up_traffic(postgres_database: str) -> None:
    """A long transaction stands in the migration's way; those that wait behind the two go on while
    it is still open.
    """
    timings = Timings(migration_lock_seconds=0.1, migration_retry_seconds=(0.1,))
    database = Database(postgres_database, timings=timings)
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), BEFORE_DELIVERIES)
    old = Old(database)
    old.goes_on()
    outcome: list[Any] = []
    with database.engine.connect() as long:
        long.execute(text("SELECT count(*) FROM delivery"))
        thread = threading.Thread(target=lambda: outcome.append(upgrade.upgrade(database)))
        thread.start()
        until(lambda: waiting(database) or outcome, what="a migration that waits")
        old.goes_on(30)
        assert outcome == []
    thread.join(60)
    assert outcome == [(BEFORE_DELIVERIES, schema.HEAD)]
    old.goes_on()
    _, _, wrong = old.end()
    assert wrong == ""
    database.close()


def waiting(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(
            text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        ).scalar_one()


def test_a_migration_that_never_gets_its_turn_says_so(postgres_database: str) -> None:
    timings = Timings(
        migration_lock_seconds=0.05, migration_retry_seconds=(0.05,), migration_limit_seconds=0.3
    )
    database = Database(postgres_database, timings=timings)
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), BEFORE_DELIVERIES)
    with database.engine.connect() as long:
        long.execute(text("SELECT count(*) FROM delivery"))
        with pytest.raises(StoreError, match=r"could not be migrated.*lock timeout"):
            upgrade.upgrade(database)
    assert upgrade.read_revision(database) == BEFORE_DELIVERIES
    database.close()


def test_a_full_disk_at_a_migration_says_how_much_to_free(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'flowbridge.db'}")
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), "0022")
    database.disconnect()

    @listeners.listens_for(database.engine, "connect")
    def fill(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA max_page_count = 1").fetchall()  # no page more than there are

    with pytest.raises(StoreError, match=r"^the disk is full; .* nothing\. Next: free 2 MB"):
        upgrade.upgrade(database)
    assert upgrade.read_revision(database) == "0022"
    database.close()


def test_a_full_disk_of_a_server_at_a_migration_says_so(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(postgres_database)

    def fail(_database: Database) -> None:
        with database.engine.begin() as connection:
            connection.execute(
                text("DO $$ BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'no space'; END $$")
            )

    monkeypatch.setattr(upgrade, "run_step", fail)
    with pytest.raises(StoreError, match=r"server is full; .* nothing\. Next: free space there"):
        upgrade.upgrade(database)
    database.close()


KILLED = """
import os, signal
from alembic import op
from bridge.store.migrations import upgrade as migrate
from bridge.store.db.database import Database
create_table = op.create_table
def dies(name, *columns, **more):
    os.kill(os.getpid(), signal.SIGKILL) if name == "audit" else create_table(name, *columns, **more)
op.create_table = dies
migrate.upgrade(Database({url!r}))
"""


@pytest.mark.usefixtures("before_release")
def test_a_migration_that_is_killed_has_changed_nothing(before: Database) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(url=url_of(before))],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert upgrade.read_revision(before) == "0022"
    old = OldSqlite(url_of(before)) if before.is_sqlite else OldPostgres(url_of(before))
    old.receive(5000)
    assert old.work("old")
    old.close()
    assert upgrade.upgrade(before) == ("0022", schema.HEAD)


def test_a_database_that_is_away_is_a_store_error(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    database = Database(f"postgresql:///nowhere?host={tmp_path}")
    with pytest.raises(StoreError, match="OperationalError"):
        upgrade.upgrade(database)
    database.close()
