"""One door to the database: durable writes in groups, reads beside them; SQLite by default,
PostgreSQL by URL.

`write(work)` runs `work(connection)` and returns its value once the commit is on disk; `append`
adds rows that many callers add at once. On SQLite both share their commits with others: see
`group`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from bridge.config.settings import Settings
from bridge.core.errors import SettingsError, StoreError
from bridge.core.timings import TIMINGS, Timings
from bridge.store.db import postgres
from bridge.store.db.group_commit import GroupCommit, RowBatch, WriteJob, brief
from bridge.store.db.lock_watch import mark_long_hold
from bridge.store.encryption import NO_ENCRYPTION, Sealer

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - a type variable
Work = Callable[[Connection], T]
# bytes that the write-ahead log keeps when it is started afresh; a long reader may have let it grow
MAX_WAL_BYTES = 64 * 1024 * 1024
BUSY_TIMEOUT_SECONDS = (
    10.0  # seconds to wait for a process that does not take part in the flock, such as a backup
)


class Database:
    """The store's engine. Open it after the last fork: neither sqlite3 connections nor a flock
    survive one.

    `sealer` seals what senders said: see `sealed`. `secret_key` is that of hashes of erased ids:
    see `deleted_ids`.
    `said_by`: where the URL comes from, which is blamed where it cannot be used. `timings`: leases
    and time limits of the store.
    """

    def __init__(
        self,
        url: str,
        sealer: Sealer = NO_ENCRYPTION,
        *,
        said_by: str = "FLOWBRIDGE_DATABASE_URL",
        secret_key: str = "",
        timings: Timings = TIMINGS,
    ) -> None:
        try:
            self.url = make_url(url)
        except (ArgumentError, ValueError):
            raise SettingsError(
                f"{said_by} cannot be read as a URL; use sqlite:///PATH or postgresql://…"
            ) from None
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError(
                f"{said_by}: {self.url.get_backend_name()!r} is not supported; use sqlite:///PATH"
                " or postgresql://…"
            )
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = (_sqlite_engine if self.is_sqlite else postgres.create_write_engine)(
            self.url, said_by, timings
        )
        self.sealer = sealer
        self.secret_key = secret_key
        self.timings = timings
        self.engine.update_execution_options(sealer=sealer, secret_key=secret_key, timings=timings)
        self._reader = self.engine if self.is_sqlite else postgres.create_read_engine(self.engine)
        self._group = GroupCommit(self.engine, self.path, timings) if self.is_sqlite else None
        self._closed = False
        event.listen(self.engine, "checkin", self._returned)
        driver: Any = self.engine.dialect.loaded_dbapi
        self._read_failures: tuple[type[Exception], ...] = (
            DBAPIError,
            PoolTimeout,
            driver.Error,
            MemoryError,
        )
        self._write_failures: tuple[type[Exception], ...] = (
            SQLAlchemyError,
            driver.Error,
            MemoryError,
        )

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """Return the store that the settings are of, with their keys."""
        return cls(
            settings.database_url,
            Sealer(settings.encryption_keys),
            secret_key=settings.secret_key,
            timings=settings.timings,
        )

    @property
    def path(self) -> Path:
        """The database's file (SQLite only)."""
        return Path(self.url.database or "")

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; when this returns, its effect is durable.

        What `work` raises is raised here and undoes only its own changes. `StoreError`: the
        database failed, nothing was kept.
        """
        if self._group is not None:
            value: T = self._group.write(WriteJob(None, work))
            return value
        return self._alone(work)

    def append(self, appending: RowBatch[I], items: Sequence[I]) -> list[bool]:
        """Add the rows of all `items` or, where this fails, of none. Durable, as `write` is.

        Return for each whether it was added: nothing of an item is where `appending` finds it there
        already.
        """
        if self._group is not None:
            added: list[bool] = self._group.write(WriteJob(appending, items))
            return added

        def insert(connection: Connection) -> list[bool]:
            appending.prepare(connection, items)
            return [appending.insert(connection, item) for item in items]

        return self._alone(insert)

    def _alone(self, work: Work[T]) -> T:
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except self._write_failures as error:
            raise StoreError(brief(error)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state. `StoreError`: the database failed."""
        try:
            with self._reader.connect() as connection:
                yield connection
        except self._read_failures as error:
            raise StoreError(brief(error)) from error

    @contextmanager
    def at_length(self) -> Iterator[Connection]:
        """Give a connection for one transaction that may take long: committed at the end, or
        nothing of it is kept.

        On SQLite others who write wait for it, however long it takes; elsewhere it takes its own
        locks.
        """
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        # Its first word is that it writes: one that has only read when others write could not write
        # any more. And those who write wait for the file that keeps their turns (see `group`), not
        # for SQLite, which would tell them after a while that it is busy.
        with file_lock(self.path, "lock"), self.engine.connect() as opened:
            # BEGIN and COMMIT are left to us
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(DBAPIError):  # SQLite may have done so by itself
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def _returned(self, _raw: object, record: Any) -> None:
        if self._closed:
            record.invalidate()  # else it would stay open in a pool that nobody has any more

    def close(self) -> None:
        """Close every connection; those of work under way when it is over."""
        self._closed = True
        if self._group is not None:
            self._group.close()
        self.engine.dispose()


def timings_of(connection: Connection) -> Timings:
    """Return the durations of a connection's database."""
    timings: Timings = connection.get_execution_options().get("timings", TIMINGS)
    return timings


@contextmanager
def file_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock beside a SQLite database that is called so, for as long as the work takes;
    others wait.
    """
    name = path.with_name(f"{path.name}.{what}")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with mark_long_hold(name):
            yield
    finally:
        os.close(fd)


@contextmanager
def alone_with_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection of its own to a SQLite file while no other process commits. `StoreError`:
    the database failed.
    """
    try:
        with (
            file_lock(path, "lock"),
            closing(sqlite3.connect(path, isolation_level=None)) as connection,
        ):
            yield connection
    except (sqlite3.Error, MemoryError) as error:
        raise StoreError(brief(error)) from error


def _sqlite_engine(url: Any, said_by: str, _timings: Timings) -> Engine:
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
        # no implicit BEGIN: transactions are opened where they are meant
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA journal_size_limit = {MAX_WAL_BYTES}")
        raw.execute("PRAGMA synchronous = FULL")  # a commit that returned survives power loss
        # what was taken out leaves no letters behind; many builds of SQLite do so by themselves
        raw.execute("PRAGMA secure_delete = ON")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA cache_size = -4096")
        # pages; at the usual 1,000 those who wait for one wait twice as long
        raw.execute("PRAGMA wal_autocheckpoint = 400")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")

    return engine
