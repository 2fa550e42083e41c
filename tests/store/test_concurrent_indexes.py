"""Tests of the indexes that migrations build on PostgreSQL while other processes write."""

from __future__ import annotations

import multiprocessing
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic_settings import scripts
from records import make_event
from serving import until
from sqlalchemy import event as listeners
from sqlalchemy import text

from bridge.core.errors import StoreError
from bridge.core.timings import Timings
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.migrations import upgrade
from bridge.store.tables import schema

INDEX = "ix_delivery_stuck_route"  # of 0028
OLD_REVISION = "0027"
WAITS = text(
    "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
    " AND phase = 'waiting for old snapshots'"
)
VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
#: Statements whose lock stops writers for as long as they read a large table.
LONG = re.compile(
    r"CREATE (UNIQUE )?INDEX\s+(?!CONCURRENTLY)\S+ ON (event|delivery|attempt)\b"
    r"|SET NOT NULL|ALTER COLUMN \S+ TYPE|ADD CONSTRAINT(?!.*NOT VALID)|ADD COLUMN .* CHECK"
    r"|^\s*(UPDATE|DELETE FROM) (event|delivery|attempt)\b"
)


@pytest.fixture
def old(postgres_database: str) -> Iterator[Database]:
    """Give a database of an earlier version."""
    timings = Timings(migration_retry_seconds=(0.02,), migration_limit_seconds=60)
    database = Database(postgres_database, timings=timings)
    migrate_to(database, OLD_REVISION)
    yield database
    database.close()


def migrate_to(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), revision)


@contextmanager
def old_snapshot(database: Database) -> Iterator[None]:
    """Read in a transaction that stays open: a build near its end waits for it."""
    with database.read() as reader:
        reader.execute(text("SELECT count(*) FROM config"))
        yield


def builder_pid(database: Database) -> int | None:
    with database.engine.connect() as connection:
        pid: int | None = connection.execute(WAITS).scalar()
        return pid


def is_valid(database: Database) -> bool | None:
    with database.engine.connect() as connection:
        found: bool | None = connection.execute(VALID, {"name": INDEX}).scalar()
        return found


def polls(database: Database) -> int:
    """Count the sessions that wait for the build of another."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state = 'idle' AND query LIKE 'SELECT pg_try_advisory_lock%'"
    )
    with database.engine.connect() as connection:
        return connection.execute(asked).scalar_one()


class Upgrade(threading.Thread):
    """Migrates beside the test."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.outcome: Any = None
        self._database = database
        self.start()

    def run(self) -> None:
        try:
            self.outcome = upgrade.upgrade(self._database)
        except StoreError as error:
            self.outcome = error

    def result(self) -> Any:
        self.join(60)
        return self.outcome


def test_writers_and_other_processes_go_on_during_a_build(old: Database) -> None:
    with old_snapshot(old):
        upgrades = [Upgrade(old), Upgrade(old)]
        until(lambda: builder_pid(old) and polls(old), what="a build, and one that waits for it")
        added = events.add(old, make_event("1"), [], lambda *_: [])
        # a process of the version before that starts now need not wait to learn that it is old
        old.write(lambda connection: take_lock(connection, Lock.MIGRATE))
        assert [one.outcome for one in upgrades] == [None, None]
        assert (upgrade.read_revision(old), is_valid(old)) == (OLD_REVISION, False)
    assert [one.result()[1] for one in upgrades] == [schema.HEAD] * 2
    assert is_valid(old) is True
    assert events.get(old, added.event_id).provider_id == "1"


def test_a_build_that_the_server_ended_is_begun_again(old: Database) -> None:
    with old_snapshot(old):
        broken = Upgrade(old)
        pid = until(lambda: builder_pid(old), what="a build")
        with old.engine.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert isinstance(broken.result(), StoreError)
    assert (upgrade.read_revision(old), is_valid(old)) == (OLD_REVISION, False)
    assert events.add(old, make_event("1"), [], lambda *_: []).event_id
    assert upgrade.upgrade(old) == (OLD_REVISION, schema.HEAD)
    assert is_valid(old) is True


def upgrade_url(url: str) -> None:
    upgrade.upgrade(Database(url))


@pytest.mark.usefixtures("new_processes")
def test_a_process_that_is_killed_in_a_build_leaves_it_to_the_next(old: Database) -> None:
    """PostgreSQL goes on with the build; the next process waits for it, and uses its index."""
    url = old.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    with old_snapshot(old):
        process = spawn.Process(target=upgrade_url, args=(url,))
        process.start()
        until(lambda: builder_pid(old), what="a build")
        process.kill()
        process.join(60)
        following = Upgrade(old)
        until(lambda: polls(old), what="a process that waits for the build")
        assert (upgrade.read_revision(old), following.outcome) == (OLD_REVISION, None)
    assert following.result() == (OLD_REVISION, schema.HEAD)
    assert is_valid(old) is True


def test_an_index_that_another_process_builds_for_too_long_is_an_error(old: Database) -> None:
    hurried = Timings(migration_retry_seconds=(0.01,), migration_limit_seconds=0.05)
    late = Database(old.url.render_as_string(hide_password=False), timings=hurried)
    with old_snapshot(old):
        first = Upgrade(old)
        until(lambda: builder_pid(old), what="a build")
        with pytest.raises(StoreError, match="another process has been building an index for"):
            upgrade.upgrade(late)
    late.close()
    assert first.result() == (OLD_REVISION, schema.HEAD)


def test_a_build_that_waits_for_too_long_is_an_error(postgres_database: str) -> None:
    timings = Timings(migration_retry_seconds=(0.01,), migration_limit_seconds=0.1)
    database = Database(postgres_database, timings=timings)
    migrate_to(database, OLD_REVISION)
    with old_snapshot(database), pytest.raises(StoreError, match="lock timeout"):
        upgrade.upgrade(database)
    assert (upgrade.read_revision(database), is_valid(database)) == (OLD_REVISION, False)
    assert upgrade.upgrade(database) == (OLD_REVISION, schema.HEAD)
    database.close()


def test_no_step_stops_writers_while_it_reads_a_large_table(postgres_database: str) -> None:
    """Also in a store that lacks what 0.1.0 creates only in a new one."""
    database = Database(postgres_database)
    migrate_to(database, "0022")
    with database.engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_delivery_id_bytes, ix_delivery_run_bytes"))
    statements: list[str] = []

    @listeners.listens_for(database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(" ".join(statement.split()))

    upgrade.upgrade(database)
    database.close()
    assert [one for one in statements if LONG.search(one)] == []
    assert sum("INDEX CONCURRENTLY" in one for one in statements) == 7
