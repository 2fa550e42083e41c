"""Migrate the database's schema to this version; safe when several processes start at once."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreError
from bridge.core.units import MIB
from bridge.store.db import vacuum
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import Database
from bridge.store.db.error_text import describe_error
from bridge.store.db.postgres import milliseconds
from bridge.store.db.session_check import check_sessions
from bridge.store.db.sqlite_file import check_sqlite_file
from bridge.store.migrations.retry_waits import begin_waits
from bridge.store.tables.schema import HEAD
from bridge.system.logs import get_logger

log = get_logger()

# https://www.postgresql.org/docs/current/errcodes-appendix.html: lock_not_available,
# deadlock_detected
LOCK_ERRORS = ("55P03", "40P01")
DISK_FULL = "53100"  # disk_full


def read_revision(database: Database) -> str | None:
    """Return the revision of the schema; None for a database without one."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(database: Database) -> tuple[str | None, str]:
    """Migrate to the newest schema, and return the revisions before and after.

    Raises `StoreError` for a newer schema, a file that is no database, or a pooler that
    `check_sessions` refuses. Other processes may keep
    working, including those of the previous version. On PostgreSQL, the migration waits for a lock
    at most `Timings.migration_lock_seconds`, since later statements of other processes would wait
    behind it; then it gives up and retries.
    """
    if database.is_sqlite:
        database.path.parent.mkdir(parents=True, exist_ok=True)
        # Created here, readable by its owner only: SQLite would let all users read it. Its other
        # files inherit the mode. A file that exists is not opened: see `check_sqlite_file`.
        with suppress(FileExistsError):
            os.close(os.open(database.path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        check_sqlite_file(database.path)
        vacuum.enable_incremental(database.path)
    check_sessions(database)
    waits = begin_waits(database.timings)
    revisions: list[str | None] = []  # before each step
    while True:
        try:
            before, after = run_step(database)
        except DBAPIError as error:
            wait = next(waits, None) if _is_lock_error(error) else None
            if _is_disk_full(error):
                raise StoreError(_describe_full_disk(database)) from error
            if wait is None:
                raise StoreError(
                    f"the schema could not be migrated: {describe_error(error)}"
                ) from error
            log.warning("migration_lock_timeout", error=describe_error(error))
            time.sleep(wait)
            continue
        revisions.append(before)
        if after == HEAD:
            return revisions[0], HEAD


def _is_lock_error(error: DBAPIError) -> bool:
    """Return whether it failed only because others held locks that it needs."""
    return (
        getattr(error.orig, "sqlstate", None) in LOCK_ERRORS
        or getattr(error.orig, "sqlite_errorname", None) == "SQLITE_BUSY"
    )


def _is_disk_full(error: DBAPIError) -> bool:
    return (
        getattr(error.orig, "sqlstate", None) == DISK_FULL
        or getattr(error.orig, "sqlite_errorname", None) == "SQLITE_FULL"
    )


def _describe_full_disk(database: Database) -> str:
    """Return what a full disk means to a migration; a step that fails is rolled back.

    A step may write all pages to SQLite's log, and some more to the file.
    """
    where, needed = "the disk of the database server is full", "space there"
    if database.is_sqlite:
        where = "the disk is full"
        needed = f"{database.path.stat().st_size // MIB + 2} MB"
    return f"{where}; the migration has changed nothing. Next: free {needed} and start again"


def run_step(database: Database) -> tuple[str | None, str | None]:
    """Run the next migration in a transaction of its own, so that writers wait for one at most.

    On PostgreSQL, its `CONCURRENT_INDEXES` are built before: writers do not wait for those. An
    empty database has no writers: it gets all migrations in one transaction. Returns the revisions
    before and after; they are equal where nothing is left to do, or another process did it.
    """
    seen = read_revision(database)
    if seen == HEAD:
        return HEAD, HEAD
    # Imported here: most starts migrate nothing, and importing Alembic takes 0.1 s.
    from bridge.store.migrations import concurrent_indexes, steps

    if seen is not None:
        indexes = steps.find_concurrent_indexes(seen)
        if not database.is_sqlite:
            concurrent_indexes.build_indexes(database, indexes)
    with database.long_transaction() as connection:
        if not database.is_sqlite:
            take_lock(connection, Lock.MIGRATE)
            timeout = milliseconds(database.timings.migration_lock_seconds)
            connection.execute(
                text("SELECT set_config('lock_timeout', :most, true)"), {"most": timeout}
            )
        before = read_revision(database)
        if before == seen:  # otherwise another process has run the step meanwhile
            steps.run_next(connection, before)
    return before, read_revision(database)
