"""Group commit for SQLite: the callers of one moment share one durable commit, fairly between
processes.

Whoever comes first leads, and the others' work joins the batch, each in a savepoint of its own, so
that work that fails takes nothing with it; a commit that fails is a `StoreError` for everyone in
it. Between processes a `flock` around each commit keeps the queue fair: SQLite's own busy handler
sleeps up to 100 ms and lets some wait a second.

Every call into SQLite gives up the interpreter, and a leader that has to get it back from busy
threads holds the write lock meanwhile. So what comes in, the rows of many callers, is one
statement, which is a transaction by itself: one call instead of eight.
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
MAX_BATCH_JOBS = 64  # how much work shares one commit at most
MAX_BATCH_ITEMS = 1000  # and how many items; a statement takes 32,766 parameters
ERROR_PREFIXES = re.compile(r"^connection failed: |\[Errno -?[0-9]+\] ")
JOB_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
)
# psycopg's words for a server that is not there
CONNECTION_FAILURES = ("connection failed: ", "failed to resolve host")


class RowBatch(Protocol[Item]):
    """Rows that are added by the items of many callers, in one statement."""

    def statement(self, items: Sequence[Item]) -> tuple[str, Sequence[Any]]:
        """Return the SQL (SQLite's) that adds the rows of all items which are not there yet, and
        its parameters.
        """

    def rows(self, item: Item) -> int | None:
        """Return how many rows `item` changes if it is new, None where that is not known
        beforehand: triggers change some, too.
        """

    def added(self, raw: sqlite3.Connection, items: Sequence[Item]) -> list[bool]:
        """Return which of the items were added; asked only when that does not follow from how many
        rows there were.
        """

    def prepare(self, connection: Connection, items: Sequence[Item]) -> None:
        """Take all locks, on another database, that adding these items takes: at once, so that
        nobody waits in a circle.
        """

    def insert(self, connection: Connection, item: Item) -> bool:
        """Add the rows of one item on another database; return whether it was new."""


class WriteJob:
    """Work (`appending` is None), or items to append together, waiting for their commit.

    `done` is released when it is over or its caller must lead.
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
    """Group commit for SQLite, led by the callers themselves: a lone caller commits at once and
    hands nothing to another thread.
    """

    def __init__(self, engine: Engine, path: Path, timings: Timings) -> None:
        self._engine = engine
        self._timings = timings
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)  # notified when nobody leads
        self._pending: deque[WriteJob] = deque()
        self._leading = False
        self._connection: Connection | None = None
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_fd = -1
        self._watch = LockWatch(self._lock_path, timings.lock_watch_seconds)

    def write(self, job: WriteJob) -> Any:
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
        """Commit what is waiting (the leader's own job is in it), then make the next one waiting
        the leader.
        """
        batch: list[WriteJob] = []
        try:
            self._commit(batch)
        except BaseException as error:
            self._abandon()
            self._take(batch)
            failure = StoreError(brief(error))
            failure.__cause__ = error
            for job in batch:
                job.error = failure
            if not isinstance(error, Exception):
                raise
        finally:
            self._follow(batch)

    def _commit(self, batch: list[WriteJob]) -> None:
        """Fill `batch` and do it. What comes in while another process commits still joins: the lock
        first, then the batch.
        """
        connection = self._open()
        raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # this database's driver is sqlite3
        with self._watch.waiting():
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
        """Hand the lead on, and let go of those whose jobs are done."""
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
            # AUTOCOMMIT tells SQLAlchemy to leave BEGIN and COMMIT to us.
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return self._connection

    def _abandon(self) -> None:
        """Drop the connection after a failure: closing it rolls back, and the next writer starts
        clean.
        """
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
        """Close the connection once the commits under way are over: SQLite crashes where another
        thread still uses it.

        After `Timings.store_close_seconds` it is left open: a process that was forked in the middle
        of a commit waits for a thread that it does not have.
        """
        self._watch.close()
        with self._mutex:
            if self._idle.wait_for(lambda: not self._leading, self._timings.store_close_seconds):
                self._abandon()


def _transact(batch: list[WriteJob], connection: Connection, raw: sqlite3.Connection) -> None:
    """Do a batch durably: rows of one kind by one statement, anything else in a transaction."""
    if batch[0].appending is not None and all(job.appending is batch[0].appending for job in batch):
        _append(batch, raw)
        return
    raw.execute("BEGIN IMMEDIATE")
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
        # one of them is bad: the statement did nothing, and each is tried by itself
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
    """Tell whether the database failed (disk full, I/O, corruption, memory), not this one piece of
    work.

    sqlite3 raises a plain `DatabaseError` where the file is corrupt or no database, and
    `MemoryError` where SQLite got no memory.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.DatabaseError | MemoryError) and not isinstance(
        cause, JOB_ERRORS
    )


def brief(error: BaseException) -> str:
    """The driver's own words, without the statement and its values; of a server that is not
    reached, plainly.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = (
        str(cause).splitlines()[0]
        if str(cause)
        else "out of memory"
        if isinstance(cause, MemoryError)
        else "no detail"
    )
    if said.startswith(CONNECTION_FAILURES):
        return f"no connection to the database: {ERROR_PREFIXES.sub('', said)}"
    return f"{type(cause).__name__}: {said}"
