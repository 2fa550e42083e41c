"""SQLAlchemy's engine of a SQLite file: its connections, and their settings."""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from bridge.core.errors import SettingsError
from bridge.core.timings import Timings
from bridge.store.db.group_commit import BUSY_TIMEOUT_SECONDS

# Size to which the write-ahead log is truncated on reset; a long read may have let it grow.
MAX_WAL_BYTES = 64 * 1024 * 1024


def create_sqlite_engine(url: URL, said_by: str, _timings: Timings) -> Engine:
    """Return the engine of a SQLite file. Raises `SettingsError` for a database in memory."""
    if not url.database or url.database == ":memory:":
        raise SettingsError(
            f"{said_by}: SQLite needs a file, such as sqlite:////var/lib/flowbridge/flowbridge.db"
        )
    shared = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=4, max_overflow=16, connect_args=shared
    )

    @event.listens_for(engine, "connect")
    def connect(raw: sqlite3.Connection, _record: object) -> None:
        # No implicit BEGIN: transactions are opened explicitly.
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
        raw.execute("PRAGMA synchronous = FULL")  # a commit that returned survives power loss
        # Overwrite deleted content with zeros; many builds of SQLite do so by default.
        raw.execute("PRAGMA secure_delete = ON")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA cache_size = -4096")
        # pages; with the default of 1,000 a writer waits twice as long for a checkpoint
        raw.execute("PRAGMA wal_autocheckpoint = 400")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")

    return engine
