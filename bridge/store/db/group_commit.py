"""Group commit for SQLite: concurrent callers share one durable commit, fairly between processes.

The first caller leads, and the work of the others joins its batch, each in its own savepoint, so
that failing work rolls back nothing else. A failed commit is a `StoreError` for every caller in the
batch. Between processes a `flock` around each commit keeps the queue fair: SQLite's own busy
handler sleeps up to 100 ms and makes some callers wait a second. The commit is synced after the
lock is released, before any caller returns, while others commit already.

Every call into SQLite releases the GIL, and a leader that has to get it back from busy threads
holds the write lock meanwhile. So the new events of many callers are one statement, which is a
transaction by itself: one call instead of eight.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import CommitBusy, CommitWaits, StoreError
from bridge.core.timings import Timings
from bridge.store.db.commit_queue import (
    MAX_BATCH_ITEMS,
    MAX_BATCH_JOBS,
    CommitQueue,
    RowBatch,
    WriteJob,
)
from bridge.store.db.lock_watch import LockWatch

_PIECE_BYTES: Final = 256 * 1024


class SyncFailed(StoreError):
    """A commit is not known to be on disk."""


class LogSync:
    """Syncs the write-ahead log of the database at `path`.

    SQLite itself syncs within a commit, while all other writers wait: for the disk, and on a busy
    machine longer for a processor. With `synchronous = NORMAL` it leaves that out, and still orders
    its writes so that nothing but the last commits can be lost with the power
    (https://www.sqlite.org/pragma.html#pragma_synchronous). One sync then makes all commits before
    it durable, those of other processes too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-wal")
        self._fd = -1
        self._may_have_gap = True

    def open(self) -> None:
        """Open the file. Call it with a connection that has just opened it, too.

        Linux tells a failed write only to those that have the file open, so another process may
        have known of a gap in it, and ended.
        """
        self.close()
        self._may_have_gap = True
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def sync(self) -> None:
        """Return once all commits until now are on disk. Raises `SyncFailed`: they may be lost.

        SQLite deletes the log only with the last connection, unless something has ended the locks
        of this one. Then the commit is lost, which is a `StoreError`.
        """
        try:
            if not os.fstat(self._fd).st_nlink:
                raise StoreError(f"{self._path} was deleted while the database was open")
            os.fdatasync(self._fd)
        except OSError as error:
            self._may_have_gap = True
            raise SyncFailed(f"the commit could not be synced: {error.strerror}") from error

    def repair(self, connection: sqlite3.Connection) -> None:
        """Write the log again if it was just opened or a sync has failed.

        Call it before a transaction. Raises `SyncFailed`.

        Linux reports a failed write once, and does not try it again. Behind the gap that it leaves
        in the log, later commits would be lost with the power, although they were synced.
        """
        if not self._may_have_gap:
            return
        connection.execute("BEGIN IMMEDIATE")  # no program writes the log meanwhile
        try:
            self._write_again()
        finally:
            connection.execute("ROLLBACK")
        self.sync()
        self._may_have_gap = False

    def _write_again(self) -> None:
        try:
            at = 0
            while piece := os.pread(self._fd, _PIECE_BYTES, at):
                at += os.pwrite(self._fd, piece, at)
        except OSError as error:
            raise SyncFailed(
                f"the write-ahead log could not be written again: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


# Seconds to wait for a process that does not take part in the flock, such as a backup.
BUSY_TIMEOUT_SECONDS = 10.0
#: For which SQLite itself waits for it, before a commit that must not wait gives up.
BUSY_STEP_SECONDS = 0.02
JOB_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
)


class GroupCommit(CommitQueue):
    """Group commit for SQLite."""

    def __init__(self, engine: Engine, path: Path, timings: Timings) -> None:
        super().__init__(engine, timings)
        self._connection: Connection | None = None
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_fd = -1
        self._has_lock = False  # it is held already, and the commit must not wait
        self._was_busy = False  # such a commit found SQLite locked
        self._log = LogSync(path)
        self._has_log = False
        self._watch = LockWatch(self._lock_path, timings.lock_watch_seconds)

    def write_each_now(self, jobs: Sequence[WriteJob]) -> None:
        """See `CommitQueue.write_each_now`."""
        if not jobs:
            return
        if len(jobs) > MAX_BATCH_JOBS or sum(job.size for job in jobs) > MAX_BATCH_ITEMS:
            raise CommitWaits("the events do not fit into one commit")
        with self._mutex:
            if not self._try_lock():
                raise CommitWaits("the database is not open yet")
            self._leading = self._has_lock = True
            self._pending.extendleft(reversed(jobs))
        jobs[0].lead = True
        self._was_busy = False
        self._lead()
        if self._was_busy:
            with self._mutex:
                for _ in jobs:
                    self._pending.popleft()
            self._follow([])
            raise CommitWaits("another program has locked the database")
        for job in jobs[1:]:
            job.done.acquire()
            if job.lead:  # they did not fit into one commit
                self._lead()

    def check_is_free(self) -> None:
        """See `CommitQueue.check_is_free`."""
        with self._mutex:
            if self._try_lock():
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _try_lock(self) -> bool:
        """Take the lock without a wait; return False where there is none yet. Hold the mutex.

        Raises `CommitBusy` if another commit is under way. A caller that waits gets other errors.
        """
        if self._leading:
            raise CommitBusy("another thread commits")
        if self._connection is None:
            return False
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommitBusy("another process commits") from None
        return True

    def _commit(self, batch: list[WriteJob]) -> None:
        """Fill `batch` and commit it.

        The lock is taken first, so jobs that arrive while another process commits still join the
        batch.
        """
        connection = self._open()
        raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # this database's driver is sqlite3
        if not self._has_lock:
            with self._watch.watch_wait():
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            try:
                self._take(batch)
                self._transact(batch, connection, raw)
            finally:
                self._has_lock = False
                fcntl.flock(self._lock_fd, fcntl.LOCK_UN)
            if batch and self._has_log:
                self._log.sync()
        except SyncFailed as error:
            # The connection stays: closing the last one would copy the log into the database.
            for job in batch:
                job.error = job.error or error

    def _transact(
        self, batch: list[WriteJob], connection: Connection, raw: sqlite3.Connection
    ) -> None:
        """Commit a batch once SQLite lets it; one that must not wait goes back into the queue."""
        until = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                if self._has_log:
                    self._log.repair(raw)
                _transact(batch, connection, raw)
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error, raw):
                    raise
                if self._has_lock:
                    with self._mutex:
                        self._pending.extendleft(reversed(batch))
                    batch.clear()
                    self._was_busy = True
                    return
                if time.monotonic() >= until:
                    raise

    def _open(self) -> Connection:
        if self._connection is None:
            self._lock_fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            # AUTOCOMMIT leaves BEGIN and COMMIT to this class.
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            milliseconds = round(BUSY_STEP_SECONDS * 1000)
            self._connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
            # the first read opens the log
            self._connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
            mode = self._connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            self._has_log = mode == "wal"  # some file systems have no shared memory for one
            if self._has_log:
                self._log.open()
                self._connection.exec_driver_sql("PRAGMA synchronous = NORMAL")  # see `LogSync`
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
        self._log.close()

    def close(self) -> None:
        """Close the connection after the commits under way."""
        self._watch.close()
        super().close()


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


def _is_busy(error: sqlite3.OperationalError, raw: sqlite3.Connection) -> bool:
    """Return whether another process writes, and nothing of this transaction has begun."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and not raw.in_transaction


def _is_fatal(error: Exception) -> bool:
    """Return whether the database failed (disk full, I/O, corruption, memory), not this one job.

    sqlite3 raises a plain `DatabaseError` where the file is corrupt or no database, and
    `MemoryError` where SQLite got no memory.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.DatabaseError | MemoryError) and not isinstance(
        cause, JOB_ERRORS
    )
