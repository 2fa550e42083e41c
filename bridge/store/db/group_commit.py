"""Group commit for SQLite: concurrent callers share one durable commit, fairly between processes.

The first caller leads, and the work of the others joins its batch, each in its own savepoint, so
that failing work rolls back nothing else. A failed commit is a `StoreError` for every caller in the
batch. Between processes a `flock` around each commit keeps the queue fair: SQLite's own busy
handler sleeps up to 100 ms and makes some callers wait a second.

Every call into SQLite releases the GIL, and a leader that has to get it back from busy threads
holds the write lock meanwhile. So the new events of many callers are one statement, which is a
transaction by itself: one call instead of eight.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreError
from bridge.core.timings import Timings
from bridge.store.db.lock_watch import LockWatch

Item = TypeVar("Item", contravariant=True)  # noqa: PLC0105 - named after what it stands for
MAX_BATCH_JOBS = 64  # jobs in one commit
MAX_BATCH_ITEMS = 1000  # items in one commit; a statement takes 32,766 parameters
ERROR_PREFIXES = re.compile(r"^connection failed: |\[Errno -?[0-9]+\] ")
JOB_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
)
# psycopg's messages for an unreachable server
CONNECTION_FAILURES = ("connection failed: ", "failed to resolve host")


class RowBatch(Protocol[Item]):
    """Statements that insert the rows of many callers at once."""

    def statement(self, items: Sequence[Item]) -> tuple[str, Sequence[Any]]:
        """Return SQLite's SQL, and its parameters, that inserts the rows of all items not yet
        stored.
        """

    def rows(self, item: Item) -> int | None:
        """Return how many rows a new `item` changes; None if triggers change some as well."""

    def added(self, raw: sqlite3.Connection, items: Sequence[Item]) -> list[bool]:
        """Return which items were inserted; called only if the number of rows does not tell."""

    def prepare(self, connection: Connection, items: Sequence[Item]) -> None:
        """Take all locks for these items at once, to prevent deadlocks. PostgreSQL only."""

    def insert(self, connection: Connection, item: Item) -> bool:
        """Insert the rows of one item, and return whether it was new. PostgreSQL only."""


class WriteJob:
    """Work (`appending` is None), or items to append together, that wait for their commit.

    `done` is released when the job is over, or when its caller must lead.
    """

    __slots__ = ("appending", "done", "error", "item", "lead", "size", "value")

    def __init__(self, appending: RowBatch[Any] | None, item: Any) -> None:
        self.appending = appending
        self.item = item
        self.size = len(item) if appending is not None else 1
        self.value: Any = None
        self.error: BaseException | None = None
        self.lead = False
        self.done = threading.Lock()
        self.done.acquire()


class GroupCommit:
    """Group commit for SQLite, led by its callers.

    A lone caller commits at once and hands nothing to another thread.
    """

    def __init__(self, engine: Engine, path: Path, timings: Timings) -> None:
        self._engine = engine
        self._timings = timings
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)  # notified when there is no leader
        self._pending: deque[WriteJob] = deque()
        self._leading = False
        self._connection: Connection | None = None
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_fd = -1
        self._watch = LockWatch(self._lock_path, timings.lock_watch_seconds)

    def write(self, job: WriteJob) -> Any:
        """Commit a job together with others, and return its value."""
        self.write_each([job])
        if job.error is not None:
            raise job.error
        return job.value

    def write_each(self, jobs: Sequence[WriteJob]) -> None:
        """Commit several jobs of one caller together with others; each gets a value or an error."""
        if not jobs:
            return
        with self._mutex:
            self._pending.extend(jobs)
            jobs[0].lead = not self._leading
            self._leading = True
        for job in jobs:
            if not job.lead:
                job.done.acquire()
            if job.lead:  # by now perhaps: the leader before it has passed the lead on
                self._lead()

    def _lead(self) -> None:
        """Commit the waiting jobs, the leader's own among them, then pass the lead to the next
        caller.
        """
        batch: list[WriteJob] = []
        try:
            self._commit(batch)
        except BaseException as error:
            self._abandon()
            self._take(batch)
            failure = StoreError(describe_error(error))
            failure.__cause__ = error
            for job in batch:
                job.error = failure
            if not isinstance(error, Exception):
                raise
        finally:
            self._follow(batch)

    def _commit(self, batch: list[WriteJob]) -> None:
        """Fill `batch` and commit it.

        The lock is taken first, so jobs that arrive while another process commits still join the
        batch.
        """
        connection = self._open()
        raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # this database's driver is sqlite3
        with self._watch.watch_wait():
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            self._take(batch)
            _transact(batch, connection, raw)
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _take(self, batch: list[WriteJob]) -> None:
        with self._mutex:
            items = 0
            while self._pending and len(batch) < MAX_BATCH_JOBS and items < MAX_BATCH_ITEMS:
                batch.append(self._pending.popleft())
                items += batch[-1].size

    def _follow(self, batch: list[WriteJob]) -> None:
        """Pass the lead on, and release the callers whose jobs are done."""
        with self._mutex:
            following = self._pending[0] if self._pending else None
            self._leading = following is not None
            if following is None:
                self._idle.notify_all()
        if following is not None:
            following.lead = True
            following.done.release()
        for job in batch:
            if not job.lead:
                job.done.release()

    def _open(self) -> Connection:
        if self._connection is None:
            self._lock_fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # AUTOCOMMIT leaves BEGIN and COMMIT to this class.
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return self._connection

    def _abandon(self) -> None:
        """Discard the connection after a failure: closing it rolls back its transaction."""
        connection = self._connection
        self._connection = None
        fd = self._lock_fd
        self._lock_fd = -1
        if connection is not None:
            connection.invalidate()
            connection.close()
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close the connection after the commits under way: SQLite crashes if another thread still
        uses it.

        After `Timings.store_close_seconds` it stays open: a process that was forked during a commit
        waits for a thread that does not exist in it.
        """
        self._watch.close()
        with self._mutex:
            if self._idle.wait_for(lambda: not self._leading, self._timings.store_close_seconds):
                self._abandon()


def _transact(batch: list[WriteJob], connection: Connection, raw: sqlite3.Connection) -> None:
    """Commit a batch: rows of one kind in one statement, anything else in a transaction."""
    if batch[0].appending is not None and all(job.appending is batch[0].appending for job in batch):
        _append(batch, raw)
        return
    raw.execute("BEGIN IMMEDIATE")
    if len(batch) == 1 and batch[0].appending is None:
        _attempt_alone(batch[0], connection, raw)
        return
    for job in batch:
        _attempt(job, connection, raw)
    raw.execute("COMMIT")


def _append(jobs: list[WriteJob], raw: sqlite3.Connection) -> None:
    appending: RowBatch[Any] = jobs[0].appending  # type: ignore[assignment]  # jobs of one kind are together
    items = [item for job in jobs for item in job.item]
    before = raw.total_changes
    try:
        raw.execute(*appending.statement(items))
    except Exception as error:
        if _is_fatal(error):
            raise
        # One of them is invalid. The statement changed nothing, so each job is tried separately.
        if len(jobs) > 1:
            for job in jobs:
                _append([job], raw)
        else:
            jobs[0].error = error
        return
    rows = [appending.rows(item) for item in items]
    all_new = None not in rows and raw.total_changes - before == sum(filter(None, rows))
    added = iter([True] * len(items) if all_new else appending.added(raw, items))
    for job in jobs:
        job.value = [next(added) for _ in job.item]


def _attempt_alone(job: WriteJob, connection: Connection, raw: sqlite3.Connection) -> None:
    """Commit one job, or roll its transaction back: it needs no savepoint in it."""
    try:
        job.value = job.item(connection)
    except Exception as error:
        if _is_fatal(error):
            raise
        raw.execute("ROLLBACK")
        job.error = error
    else:
        raw.execute("COMMIT")


def _attempt(job: WriteJob, connection: Connection, raw: sqlite3.Connection) -> None:
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
    """Return whether the database failed (disk full, I/O, corruption, memory), not this one job.

    sqlite3 raises a plain `DatabaseError` where the file is corrupt or no database, and
    `MemoryError` where SQLite got no memory.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.DatabaseError | MemoryError) and not isinstance(
        cause, JOB_ERRORS
    )


def describe_error(error: BaseException) -> str:
    """Return the driver's message without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    message = (
        str(cause).splitlines()[0]
        if str(cause)
        else "out of memory"
        if isinstance(cause, MemoryError)
        else "no detail"
    )
    if message.startswith(CONNECTION_FAILURES):
        return f"no connection to the database: {ERROR_PREFIXES.sub('', message)}"
    return f"{type(cause).__name__}: {message}"
