"""One door to the database: durable writes in groups, reads beside them; SQLite by default, PostgreSQL by URL.

`write(work)` runs `work(connection)` and returns its value once the commit is on disk. On SQLite the callers of one moment
share one commit: whoever comes first leads, the others' work joins the batch, each in a savepoint of its own, so that work
that fails takes nothing with it; a commit that fails is a `StoreError` for everyone in it. Between processes a `flock` around each
commit keeps the queue fair: SQLite's own busy handler sleeps up to 100 ms and lets some wait a second.

`append` is for what comes in: rows of many callers go in by one statement, which is a transaction by itself. Every call into
SQLite gives up the interpreter, and a leader that has to get it back from busy threads holds the write lock meanwhile: one call instead
of eight is worth a third of the whole rate.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from bridge.errors import SettingsError, StoreError

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741
Item = TypeVar("Item", contravariant=True)  # noqa: PLC0105
Work = Callable[[Connection], T]


class Appending(Protocol[Item]):
    """Rows that are added by the items of many callers, in one statement."""

    def statement(self, items: Sequence[Item]) -> tuple[str, Sequence[Any]]:
        """Return the SQL (SQLite's) that adds the rows of all items which are not there yet, and its parameters."""

    def rows(self, item: Item) -> int:
        """Return how many rows `item` adds if it is new."""

    def added(self, raw: sqlite3.Connection, items: Sequence[Item]) -> list[bool]:
        """Return which of the items were added; asked only when fewer rows came in than they make together."""

    def insert(self, connection: Connection, item: Item) -> bool:
        """Add the rows of one item on another database; return whether it was new."""



BATCH = 64  # how much work shares one commit at most
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
        self._group = _Group(self.engine, self.path) if self.is_sqlite else None
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
            value: T = self._group.write(_Job(None, work))
            return value
        return self._alone(work)

    def append(self, appending: Appending[I], item: I) -> bool:
        """Add the rows of `item`; return False, having added none, where `appending` finds them there already. Durable, as `write` is."""
        if self._group is not None:
            return bool(self._group.write(_Job(appending, item)))
        return self._alone(lambda connection: appending.insert(connection, item))

    def _alone(self, work: Work[T]) -> T:
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, self._driver_error) as error:
            raise StoreError(_brief(error)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreError(_brief(error)) from error

    def close(self) -> None:
        """Close every connection. Work under way finishes first."""
        if self._group is not None:
            self._group.close()
        self.engine.dispose()


class _Job:
    """One item waiting for its commit: work (`appending` is None) or rows. `done` is released when it is over or its caller must lead."""

    __slots__ = ("appending", "done", "error", "item", "lead", "value")

    def __init__(self, appending: Appending[Any] | None, item: Any) -> None:
        self.appending, self.item = appending, item
        self.value: Any = None
        self.error: BaseException | None = None
        self.lead = False
        self.done = threading.Lock()
        self.done.acquire()


class _Group:
    """Group commit for SQLite, led by the callers themselves: a lone caller commits at once and hands nothing to another thread."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._mutex = threading.Lock()
        self._pending: deque[_Job] = deque()
        self._leading = False
        self._connection: Connection | None = None
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_fd = -1

    def write(self, job: _Job) -> Any:
        with self._mutex:
            self._pending.append(job)
            job.lead = not self._leading
            self._leading = True
        if not job.lead:
            job.done.acquire()
        if job.lead:
            self._lead()
        if job.error is not None:
            raise job.error
        return job.value

    def _lead(self) -> None:
        """Commit what is waiting (the leader's own job is in it), then make the next one waiting the leader."""
        batch: list[_Job] = []
        try:
            self._commit(batch)
        except BaseException as error:
            self._abandon()
            self._take(batch)
            failure = StoreError(_brief(error))
            failure.__cause__ = error
            for job in batch:
                job.error = failure
            if not isinstance(error, Exception):
                raise
        finally:
            self._follow(batch)

    def _commit(self, batch: list[_Job]) -> None:
        """Fill `batch` and do it. What comes in while another process commits still joins: the lock first, then the batch."""
        connection = self._open()
        raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            self._take(batch)
            _transact(batch, connection, raw)
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _take(self, batch: list[_Job]) -> None:
        with self._mutex:
            while self._pending and len(batch) < BATCH:
                batch.append(self._pending.popleft())

    def _follow(self, batch: list[_Job]) -> None:
        """Hand the lead on, and let go of those whose jobs are done."""
        with self._mutex:
            following = self._pending[0] if self._pending else None
            self._leading = following is not None
        if following is not None:
            following.lead = True
            following.done.release()
        for job in batch:
            if not job.lead:
                job.done.release()

    def _open(self) -> Connection:
        if self._connection is None:
            self._lock_fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # AUTOCOMMIT tells SQLAlchemy to leave BEGIN and COMMIT to us.
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    def _abandon(self) -> None:
        """Drop the connection after a failure: closing it rolls back, and the next writer starts clean."""
        connection, self._connection = self._connection, None
        fd, self._lock_fd = self._lock_fd, -1
        if connection is not None:
            connection.invalidate()
            connection.close()
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        with self._mutex:
            self._abandon()


def _transact(batch: list[_Job], connection: Connection, raw: sqlite3.Connection) -> None:
    """Do a batch durably: rows of one kind by one statement, anything else in a transaction."""
    if batch[0].appending is not None and all(job.appending is batch[0].appending for job in batch):
        _append(batch, raw)
        return
    raw.execute("BEGIN IMMEDIATE")
    for job in batch:
        _attempt(job, connection, raw)
    raw.execute("COMMIT")


def _append(jobs: list[_Job], raw: sqlite3.Connection) -> None:
    appending: Appending[Any] = jobs[0].appending  # type: ignore[assignment]
    items = [job.item for job in jobs]
    before = raw.total_changes
    try:
        raw.execute(*appending.statement(items))
    except Exception as error:
        if _is_fatal(error):
            raise
        if len(jobs) > 1:  # one of them is bad: the statement did nothing, and each is tried by itself
            for job in jobs:
                _append([job], raw)
        else:
            jobs[0].error = error
        return
    all_new = raw.total_changes - before == sum(map(appending.rows, items))
    for job, added in zip(jobs, [True] * len(jobs) if all_new else appending.added(raw, items), strict=True):
        job.value = added


def _attempt(job: _Job, connection: Connection, raw: sqlite3.Connection) -> None:
    raw.execute("SAVEPOINT job")
    try:
        if job.appending is not None:
            _append([job], raw)
        else:
            job.value = job.item(connection)
    except Exception as error:
        if _is_fatal(error):
            raise
        raw.execute("ROLLBACK TO job")
        job.error = error
    raw.execute("RELEASE job")


def _is_fatal(error: Exception) -> bool:
    """Whether it is the database that failed (disk full, I/O, corruption), not this one piece of work."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.OperationalError | sqlite3.InternalError)


def _brief(error: BaseException) -> str:
    """The driver's own words, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no detail'}"


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


