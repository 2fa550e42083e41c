"""One door to the database: durable writes in groups, reads beside them; SQLite by default, PostgreSQL by URL.

`write(work)` runs `work(connection)` and returns its value once the commit is on disk; `append` adds rows that many callers add at
once. On SQLite both share their commits with others: see `group`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from bridge.errors import SettingsError, StoreError
from bridge.store.group import Appending, Group, Job, brief

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
Work = Callable[[Connection], T]
BUSY = 10.0  # seconds to wait for a process that does not take part in the flock, such as a backup


class Database:
    """The store's engine. Open it after the last fork: neither sqlite3 connections nor a flock survive one."""

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
        except (ArgumentError, ValueError):
            raise SettingsError("FLOWBRIDGE_DATABASE_URL cannot be read as a URL; use sqlite:///PATH or postgresql://…") from None
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError(
                f"FLOWBRIDGE_DATABASE_URL: {self.url.get_backend_name()!r} is not supported; use sqlite:///PATH or postgresql://…"
            )
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgresql_engine(self.url)
        self._group = Group(self.engine, self.path) if self.is_sqlite else None
        driver: Any = self.engine.dialect.loaded_dbapi
        self._driver_error: type[Exception] = driver.Error

    @property
    def path(self) -> Path:
        """The database's file (SQLite only)."""
        return Path(self.url.database or "")

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; when this returns, its effect is durable.

        What `work` raises is raised here and undoes only its own changes. `StoreError`: the database failed, nothing was kept.
        """
        if self._group is not None:
            value: T = self._group.write(Job(None, work))
            return value
        return self._alone(work)

    def append(self, appending: Appending[I], items: Sequence[I]) -> list[bool]:
        """Add the rows of all `items` or, where this fails, of none. Durable, as `write` is.

        Return for each whether it was added: nothing of an item is where `appending` finds it there already.
        """
        if self._group is not None:
            added: list[bool] = self._group.write(Job(appending, items))
            return added
        return self._alone(lambda connection: [appending.insert(connection, item) for item in items])

    def _alone(self, work: Work[T]) -> T:
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, self._driver_error) as error:
            raise StoreError(brief(error)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreError(brief(error)) from error

    def close(self) -> None:
        """Close every connection. Work under way finishes first."""
        if self._group is not None:
            self._group.close()
        self.engine.dispose()


def _sqlite_engine(url: Any) -> Engine:
    if not url.database or url.database == ":memory:":
        raise SettingsError("FLOWBRIDGE_DATABASE_URL: SQLite needs a file, such as sqlite:////var/lib/flowbridge/flowbridge.db")
    shared = {"timeout": BUSY, "check_same_thread": False}
    engine = create_engine(url, poolclass=QueuePool, pool_size=4, max_overflow=16, connect_args=shared)

    @event.listens_for(engine, "connect")
    def connect(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # no implicit BEGIN: transactions are opened where they are meant
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")  # a commit that returned survives power loss
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA cache_size = -4096")
        raw.execute("PRAGMA wal_autocheckpoint = 400")  # pages; at the usual 1,000 those who wait for one wait twice as long

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")

    return engine


def _postgresql_engine(url: Any) -> Engine:
    try:
        return create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise SettingsError("FLOWBRIDGE_DATABASE_URL: PostgreSQL needs the extra: pip install 'flowbridge[postgres]'") from error


