"""Indexes of migrations that PostgreSQL builds while other processes write.

`CREATE INDEX` blocks writers for as long as it reads the table: seconds for a million rows.
`CREATE INDEX CONCURRENTLY` does not, but cannot be part of a transaction. A migration therefore
declares `CONCURRENT_INDEXES`, and each of them is built before the transaction of its step begins.
A build that was interrupted leaves an invalid index, which no query uses: the next one drops it and
begins again. On SQLite, and in a database without a schema, `upgrade` of the migration creates them
in its transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import op
from sqlalchemy import Connection, text

from bridge.core.errors import StoreError
from bridge.store.db.advisory_locks import Lock
from bridge.store.db.database import Database
from bridge.store.db.postgres import milliseconds
from bridge.store.migrations.retry_waits import begin_waits
from bridge.system.logs import get_logger

log = get_logger()

# For this schema: other schemas of the database may belong to another flowbridge. It is not waited
# for: a statement that waits has a snapshot, and the build waits for all older snapshots.
_TRY_LOCK = text(
    "SELECT pg_try_advisory_lock(CAST(:lock AS integer), hashtext(current_schema()))"
).bindparams(lock=Lock.BUILD_INDEXES.value)
_IS_VALID = text(
    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(CAST(:name AS text))"
)
# A build may take long, whatever the role's settings are. PostgreSQL ends the session of a process
# that hangs or is lost between two statements, and with it the lock.
_SETTINGS = text(
    "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', :most, false),"
    " set_config('idle_session_timeout', :idle, false)"
)


@dataclass(frozen=True)
class ConcurrentIndex:
    """An index of a migration. `columns` and `where` are SQL."""

    name: str
    table: str
    columns: str
    where: str | None = None

    def statement(self, how: str = "") -> str:
        """Return the statement that creates it; `how` may be CONCURRENTLY or IF NOT EXISTS."""
        condition = f" WHERE {self.where}" if self.where else ""
        return f"CREATE INDEX {how} {self.name} ON {self.table} ({self.columns}){condition}"


def create_missing_indexes(indexes: Sequence[ConcurrentIndex]) -> None:
    """Create the indexes in the transaction of a migration, unless they were built before it."""
    connection = op.get_bind()
    for index in indexes:
        if connection.dialect.name == "sqlite":
            # an earlier version of the migration before it may have created it
            op.execute(index.statement("IF NOT EXISTS"))
        elif _is_valid(connection, index) is None:
            # IF NOT EXISTS would wait for writers even where there is nothing to do
            op.execute(index.statement())


def build_indexes(database: Database, indexes: Sequence[ConcurrentIndex]) -> None:
    """Build the indexes that are missing or invalid, while other processes write (PostgreSQL).

    One process builds at a time; others wait until it is done. Raises `DBAPIError` if a build
    fails, after a wait of `Timings.migration_limit_seconds` for other transactions too.
    """
    if not indexes:
        return
    with _hold_session(database) as session:
        for index in indexes:
            is_valid = _is_valid(session, index)
            if is_valid:
                continue
            if is_valid is False:
                log.warning("invalid_index_dropped", index=index.name)
                session.execute(text(f"DROP INDEX CONCURRENTLY {index.name}"))
            log.info("index_build", index=index.name, table=index.table)
            session.execute(text(index.statement("CONCURRENTLY")))


def _is_valid(connection: Connection, index: ConcurrentIndex) -> bool | None:
    """Return whether queries can use an index; None if there is none."""
    valid: bool | None = connection.execute(_IS_VALID, {"name": index.name}).scalar()
    return valid


@contextmanager
def _hold_session(database: Database) -> Iterator[Connection]:
    """Open a session without a transaction that alone may build indexes."""
    timings = database.timings
    session = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        session.execute(
            _SETTINGS,
            {
                "most": milliseconds(timings.migration_limit_seconds),
                "idle": milliseconds(timings.idle_transaction_seconds),
            },
        )
        waits = begin_waits(timings)
        while not session.execute(_TRY_LOCK).scalar():
            wait = next(waits, None)
            if wait is None:
                raise StoreError(
                    "the schema could not be migrated: another process has been building an index"
                    f" for more than {timings.migration_limit_seconds:g} s"
                )
            time.sleep(wait)
        yield session
    finally:
        session.invalidate()  # not returned to the pool, which would keep the lock
        session.close()
