"""Tests of a SQLite file that is damaged under a running bridge.

Senders retry, the bridge reports that it is not ready, and commands report the reason.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from processes import call
from serving import Bridge, until
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreError
from bridge.store.db import vacuum
from bridge.store.db.database import Database
from bridge.store.db.error_text import describe_error
from bridge.store.migrations import upgrade
from bridge.store.operations import erase
from bridge.store.queue import heartbeats

COMMANDS = (
    "events",
    "events --json",
    "deliveries",
    "deliveries --json",
    "show {event}",
    "show {event} --json",
    "status",
    "status --json",
    "tail --limit 5",
    "export",
    "db check",
    "db backup {folder}/backup.tar",
    "db copy --to sqlite:///{folder}/copy.db --dry-run",
    "db copy --to sqlite:///{folder}/copy.db --yes",
    "replay --since 1h --dry-run",
    "retry --status dead --dry-run",
    "erase someone@example.com --dry-run",
    "spam",
)


def overwrite(path: Path, *names: str) -> None:
    """Overwrite the root pages of tables or indexes with 0xFF in the file, while it is open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        marks = ", ".join("?" * len(names))
        roots = [
            row[0]
            for row in connection.execute(
                f"SELECT rootpage FROM sqlite_master WHERE name IN ({marks})",  # noqa: S608
                names,
            )
        ]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        assert len(roots) == len(names)
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            pass
        with path.open("r+b") as file:
            for root in roots:
                file.seek((root - 1) * size)
                file.write(b"\xff" * size)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("name", ["event", "ix_event_dedup"])
def test_a_bridge_on_a_corrupt_database_asks_senders_to_send_again_and_is_not_ready(
    tmp_path: Path, name: str
) -> None:
    with Bridge(tmp_path) as bridge:
        assert bridge.event().status == 202
        overwrite(bridge.database.path, name)
        answers = [bridge.event() for _ in range(4)]
        assert [(one.status, one.json["error"]) for one in answers] == [(503, "store_failed")] * 4
        assert all(int(one.headers["retry-after"]) > 0 for one in answers)
        until(lambda: bridge.get("/readyz").status == 503, what="the next look at the store")
        assert {line["event"] for line in bridge.log} & {"internal_error", "turn_failed"} == set()


@pytest.mark.usefixtures("new_processes")
def test_no_command_ends_with_a_traceback_on_a_corrupt_database(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        event_id = bridge.event().json["event_id"]
        bridge.stop()
    indexes = ("ix_delivery_event", "ix_delivery_stuck", "ix_event_spam")
    overwrite(bridge.database.path, "event", "delivery", *indexes)
    for command in COMMANDS:
        words = command.format(event=event_id, folder=tmp_path).split()
        done = call(tmp_path, "--config", str(bridge.config), *words, environ=bridge.environ)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        assert done.returncode == 1, (command, done)
        assert "malformed" in done.stderr or "damaged" in done.stderr, (command, done)


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "flowbridge.db"
    path.write_bytes(b"\xff" * 8192)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="is not a"):
        database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
    with pytest.raises(StoreError, match="is not a"):
        heartbeats.check_store(database, 0.0)
    for touch in (erase.truncate_wal, vacuum.rewrite, upgrade.upgrade):
        with pytest.raises(StoreError, match="is not a"):
            touch(database)


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (sqlite3.OperationalError("disk I/O error"), True),
        (sqlite3.InternalError("bug"), True),
        (MemoryError(), True),
        (sqlite3.IntegrityError("UNIQUE"), False),
        (sqlite3.DataError("string or blob too big"), False),
        (sqlite3.ProgrammingError("wrong number of bindings"), False),
        (sqlite3.NotSupportedError("no"), False),
        (ValueError("a bug of ours"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_which_failures_are_the_database_s_own(
    sqlite: Database, error: Exception, fatal: bool
) -> None:
    """A failure of the database fails all jobs in the commit as a `StoreError`; others concern one
    caller.
    """

    def fail(_connection: object) -> None:
        raise error

    def fail_wrapped(_connection: object) -> None:
        raise DBAPIError.instance("SELECT 1", {}, error, sqlite3.Error)

    for work in (fail, fail_wrapped) if isinstance(error, sqlite3.Error) else (fail,):
        with pytest.raises(StoreError if fatal else Exception) as raised:
            sqlite.write(work)
        assert isinstance(raised.value, StoreError) is fatal
    assert sqlite.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
    assert describe_error(error)


def test_a_failure_of_the_driver_while_reading_is_a_store_error(database: Database) -> None:
    """Statements that bypass SQLAlchemy raise the driver's own errors."""
    for error in (
        sqlite3.DatabaseError("database disk image is malformed") if database.is_sqlite else None,
        MemoryError(),
    ):
        if error is not None:
            with pytest.raises(StoreError), database.read():
                raise error


def test_running_out_of_memory_is_a_store_error_on_both_databases(database: Database) -> None:
    def fail(_connection: object) -> None:
        raise MemoryError

    with pytest.raises(StoreError):
        database.write(fail)
