"""The connection to the database: durable writes in groups, and consistent reads.

SQLite is the default; PostgreSQL is selected by URL. `write(work)` runs `work(connection)` and
returns its value after the commit is on disk. `append` inserts rows that many callers add at once.
The rows of concurrent callers share a commit; on SQLite the work of others does so, too: see
`group_commit`.

On PostgreSQL the first of concurrent callers leads, and those that come while it commits are the
next batch. A statement by itself is a transaction, so a batch takes one exchange with the server.
If it fails, nothing of it is stored, and each caller writes its rows in a transaction of its own: a
bad row fails alone, and a caller that has to wait for a lock holds up nobody else. If the database
fails, that is a `StoreError` for every caller in the batch.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from bridge.config.settings import Settings
from bridge.core.errors import SettingsError, StoreError
from bridge.core.timings import TIMINGS, Timings
from bridge.store.db import postgres
from bridge.store.db.advisory_locks import lock_keys
from bridge.store.db.commit_queue import CommitQueue, RowBatch, WriteJob
from bridge.store.db.error_text import describe_error
from bridge.store.db.group_commit import BUSY_TIMEOUT_SECONDS, GroupCommit
from bridge.store.db.lock_watch import mark_long_hold
from bridge.store.db.postgres import KeptConnection, milliseconds
from bridge.store.encryption import NO_ENCRYPTION, Sealer

#: For the leader's connection, which runs nothing else. Planning a statement takes longer than
#: running it, so it is planned once; a plan that is made while the tables are small must be good
#: for large ones. A wait for another transaction is left to the caller that needs it.
LEADER_SETTINGS = """
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('lock_timeout', %s, false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false)
"""
#: Errors of the server, not of a row: no connection, no resources, shutdown, I/O, corruption.
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
SERVER_ERROR_CLASSES = ("08", "53", "57", "58", "XX")


class SharedCommit(CommitQueue):
    """Shared commits for PostgreSQL; its jobs append rows."""

    def __init__(
        self, engine: Engine, timings: Timings, write_failures: tuple[type[Exception], ...]
    ) -> None:
        super().__init__(engine, timings)
        self._write_failures = write_failures
        wait = milliseconds(timings.shared_commit_lock_seconds)
        self._kept = KeptConnection(engine, LEADER_SETTINGS, [wait])

    def _commit(self, batch: list[WriteJob]) -> None:
        """Fill `batch` and commit it.

        Without a connection, all that wait fail: each batch would try for seconds to connect.
        """
        try:
            raw = self._kept.open()
        except Exception:
            self._take_all(batch)
            raise
        self._take(batch)
        try:
            _insert(raw, batch)
        except Exception as error:
            if _is_fatal(error, raw):
                raise
            for job in batch:
                job.write_alone = partial(self._write_alone, job)

    def _take_all(self, batch: list[WriteJob]) -> None:
        with self._mutex:
            batch.extend(self._pending)
            self._pending.clear()

    def _abandon(self) -> None:
        self._kept.close()

    def _write_alone(self, job: WriteJob) -> list[bool]:
        """Write a job in a transaction of its own, and return its value."""
        appending: RowBatch[Any] = job.appending  # type: ignore[assignment]  # all jobs append
        try:
            with self._engine.begin() as connection:
                raw: Any = connection.connection.driver_connection
                lock_keys(raw, appending.keys(job.item))
                return appending.insert(raw, job.item)
        except self._write_failures as error:
            raise StoreError(describe_error(error)) from error


def _insert(raw: Any, batch: Sequence[WriteJob]) -> None:
    """Insert the rows of all jobs in one transaction: by one statement, if no key is locked."""
    kinds = [
        (appending, list(jobs)) for appending, jobs in groupby(batch, lambda job: job.appending)
    ]
    keys = [locked for appending, jobs in kinds for locked in appending.keys(_items(jobs))]
    with raw.transaction() if keys or len(kinds) > 1 else nullcontext():
        lock_keys(raw, keys)
        for appending, jobs in kinds:
            added = iter(appending.insert(raw, _items(jobs)))
            for job in jobs:
                job.value = [next(added) for _ in job.item]


def _items(jobs: Sequence[WriteJob]) -> list[Any]:
    return [item for job in jobs for item in job.item]


def _is_fatal(error: Exception, raw: Any) -> bool:
    """Return whether the database failed, not one of the rows or a wait for a lock."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None) or ""
    return isinstance(error, MemoryError) or raw.closed or code.startswith(SERVER_ERROR_CLASSES)


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


T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - a type variable
Work = Callable[[Connection], T]


class Database:
    """A database with its connections. Open it after the last fork.

    Neither sqlite3 connections nor a flock survive a fork. `sealer` encrypts contents (see
    `bridge.store.encryption`); `secret_key` is for hashes of erased ids (see `deleted_ids`);
    `said_by` names the setting that the URL comes from, for errors; `timings` has the durations of
    leases and limits.
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
        self.url = _parse_url(url, said_by)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = (create_sqlite_engine if self.is_sqlite else postgres.create_write_engine)(
            self.url, said_by, timings
        )
        self.sealer = sealer
        self.secret_key = secret_key
        self.timings = timings
        self.engine.update_execution_options(sealer=sealer, secret_key=secret_key, timings=timings)
        self._reader = self.engine if self.is_sqlite else postgres.create_read_engine(self.engine)
        self._closed = False
        event.listen(self.engine, "checkin", self._returned)
        driver: Any = self.engine.dialect.loaded_dbapi
        self.driver_error: type[Exception] = driver.Error
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
        self._group = GroupCommit(self.engine, self.path, timings) if self.is_sqlite else None
        self._queue: CommitQueue = self._group or SharedCommit(
            self.engine, timings, self._write_failures
        )

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """Open the database of the settings, with their keys."""
        return cls(
            settings.database_url,
            Sealer(settings.encryption_keys),
            secret_key=settings.secret_key,
            timings=settings.timings,
        )

    @property
    def path(self) -> Path:
        """Return the database file (SQLite only)."""
        return Path(self.url.database or "")

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction, and return its value once the transaction is durable.

        An exception from `work` is raised here and rolls back only its own changes. `StoreError`:
        the database failed, and nothing was stored.
        """
        if self._group is not None:
            value: T = self._group.write(WriteJob(None, work))
            return value
        return self._alone(work)

    def append(self, appending: RowBatch[I], items: Sequence[I]) -> list[bool]:
        """Insert the rows of all `items`, or of none if it fails. Durable, as `write` is.

        Returns for each item whether it was inserted. An item that `appending` finds in the
        database already changes nothing.
        """
        added: list[bool] = self._queue.write(WriteJob(appending, items))
        return added

    def append_each(
        self, appending: RowBatch[I], groups: Sequence[Sequence[I]], *, waits: bool = True
    ) -> list[list[bool] | Exception | Callable[[], list[bool]]]:
        """Insert the rows of several groups in as few commits as possible.

        A group that fails does so alone. Returns for each what `append` returns, or the error that
        it raises, or a function that inserts it: on PostgreSQL, if the group would wait for a lock
        or has failed together with others. Without `waits`, raises `CommitWaits` where it
        would wait, or `CommitBusy` if for another commit; nothing is stored then.
        """
        jobs = [WriteJob(appending, items) for items in groups]
        if waits:
            self._queue.write_each(jobs)
        else:
            self._queue.write_each_now(jobs)
        return [
            job.result
            if job.write_alone is not None
            else job.error
            if isinstance(job.error, Exception)
            else cast("list[bool]", job.value)
            for job in jobs
        ]

    def check_commit_is_free(self) -> None:
        """Raise `CommitBusy` if `append_each` without `waits` would do so now."""
        self._queue.check_is_free()

    def _alone(self, work: Work[T]) -> T:
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except self._write_failures as error:
            raise StoreError(describe_error(error)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection that sees one consistent state. Raises `StoreError` if the database
        fails.
        """
        try:
            with self._reader.connect() as connection:
                yield connection
        except self._read_failures as error:
            raise StoreError(describe_error(error)) from error

    def rehearse(self, read: Work[object]) -> None:
        """Run statements that only read, and close the connections. Call it before a fork.

        What SQLAlchemy makes at the first use of a statement is then shared by the processes that
        are forked later. They report a failure, if it lasts.
        """
        with suppress(StoreError), self.read() as connection:
            read(connection)
        self.engine.dispose()

    @contextmanager
    def long_transaction(self) -> Iterator[Connection]:
        """Open a connection for one transaction that may take long; it is committed at the end.

        An exception rolls it back. On SQLite all other writers wait for it, however long it takes;
        on PostgreSQL it takes its own locks.
        """
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        # It begins as a writer: a transaction that has read before another one wrote could not
        # write any more. The other writers wait for the lock file (see `group_commit`), not for
        # SQLite, which would report after a while that it is busy.
        with file_lock(self.path, "lock"), self.engine.connect() as opened:
            # AUTOCOMMIT leaves BEGIN and COMMIT to this function.
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                with suppress(DBAPIError):  # SQLite may have rolled back already
                    connection.exec_driver_sql("ROLLBACK")
                raise

    def _returned(self, _raw: object, record: Any) -> None:
        if self._closed:
            record.invalidate()  # otherwise it would stay open in an unused pool

    def disconnect(self) -> None:
        """Close the connections; those that are needed later are opened again.

        Call it, with no connection in use, before the process opens a file of SQLite's otherwise:
        its locks of this process end when it closes any descriptor of the file
        (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        self._queue.disconnect()
        self.engine.dispose()

    def close(self) -> None:
        """Close all connections; those in use are closed when they are returned."""
        self._closed = True
        self._queue.close()
        self.engine.dispose()


def _parse_url(text: str, said_by: str) -> URL:
    """Return the URL of a database, with its driver. Raises `SettingsError`."""
    allowed = "use sqlite:///PATH or postgresql://…"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(f"{said_by} is not a valid URL; {allowed}") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsError(f"{said_by}: {url.get_backend_name()!r} is not supported; {allowed}")
    return url


def timings_of(connection: Connection) -> Timings:
    """Return the timings of a connection's database."""
    timings: Timings = connection.get_execution_options().get("timings", TIMINGS)
    return timings


@contextmanager
def file_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `what` beside a SQLite database; other processes wait."""
    name = path.with_name(f"{path.name}.{what}")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with mark_long_hold(name):
            yield
    finally:
        os.close(fd)


@contextmanager
def exclusive_connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a separate connection to a SQLite file while no other process commits.

    Raises `StoreError` if the database fails.
    """
    try:
        with (
            file_lock(path, "lock"),
            closing(sqlite3.connect(path, isolation_level=None)) as connection,
        ):
            yield connection
    except (sqlite3.Error, MemoryError) as error:
        raise StoreError(describe_error(error)) from error
