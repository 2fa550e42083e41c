"""The queue of callers that share commits: the first one leads, and the others join its batch."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine

from bridge.core.errors import CommitWaits, StoreError
from bridge.core.timings import Timings
from bridge.core.units import MIB
from bridge.store.db.error_text import describe_error

Item = TypeVar("Item", contravariant=True)  # noqa: PLC0105 - named after what it stands for
MAX_BATCH_JOBS = 64  # jobs in one commit
MAX_BATCH_ITEMS = 1000  # items in one commit; a statement takes 32,766 parameters
MAX_BATCH_BYTES = 8 * MIB  # of the items of several jobs in one commit

#: By the seed of the locks, in the order of locking: (route, key) pairs.
LockedKeys = Sequence[tuple[int, Sequence[tuple[str, str]]]]


class RowBatch(Protocol[Item]):
    """Statements that insert the rows of many callers at once."""

    def statement(self, items: Sequence[Item]) -> tuple[str, Sequence[Any]]:
        """Return SQLite's SQL, and its parameters, that inserts the rows of all items not yet
        stored.
        """

    def rows(self, item: Item) -> int | None:
        """Return how many rows a new `item` changes; None if triggers change some as well."""

    def added(self, raw: sqlite3.Connection, items: Sequence[Item]) -> list[bool]:
        """Return which items were inserted; called only if the number of changed rows does not show
        it.
        """

    def size(self, item: Item) -> int:
        """Return about how many bytes the rows of an item have."""

    def keys(self, items: Sequence[Item]) -> LockedKeys:
        """Return the keys to lock before `insert`, to prevent deadlocks. PostgreSQL only."""

    def insert(self, raw: Any, items: Sequence[Item]) -> list[bool]:
        """Insert the rows of all items in one statement of psycopg's connection.

        Returns which items were new. PostgreSQL only.
        """


class WriteJob:
    """Work (`appending` is None), or items to append together, that wait for their commit.

    `done` is released when the job is over, or when its caller must lead. `write_alone` is set if
    nothing of it is stored, and writes it in a transaction of its own.
    """

    __slots__ = (
        "appending",
        "bytes",
        "done",
        "error",
        "item",
        "lead",
        "size",
        "value",
        "write_alone",
    )

    def __init__(self, appending: RowBatch[Any] | None, item: Any) -> None:
        self.appending = appending
        self.item = item
        self.size = len(item) if appending is not None else 1
        self.bytes = sum(map(appending.size, item)) if appending is not None else 0
        self.value: Any = None
        self.error: BaseException | None = None
        self.lead = False
        self.write_alone: Callable[[], Any] | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def result(self) -> Any:
        """Return the value, or raise the error."""
        if self.write_alone is not None:
            return self.write_alone()
        if self.error is not None:
            raise self.error
        return self.value


class CommitQueue(ABC):
    """Commits jobs in batches, led by their callers.

    A lone caller commits at once and hands nothing to another thread.
    """

    def __init__(self, engine: Engine, timings: Timings) -> None:
        self._engine = engine
        self._timings = timings
        self._mutex = threading.Lock()
        self._idle = threading.Condition(self._mutex)  # notified when there is no leader
        self._pending: deque[WriteJob] = deque()
        self._leading = False

    def write(self, job: WriteJob) -> Any:
        """Commit a job together with others, and return its value."""
        self.write_each([job])
        return job.result()

    def write_each(self, jobs: Sequence[WriteJob]) -> None:
        """Commit several jobs of one caller together with others; each has a result then."""
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

    def write_each_now(self, jobs: Sequence[WriteJob]) -> None:
        """Commit several jobs of one caller as `write_each` does, in one commit, without a wait.

        Where it would wait, stores nothing and raises `CommitBusy` if another commit is under way,
        else `CommitWaits`.
        """
        if jobs:
            raise CommitWaits("a commit waits for the server")

    def check_is_free(self) -> None:  # noqa: B027 - a server is asked by no process
        """Raise `CommitBusy` if another commit is under way in a process of this machine."""

    def _lead(self) -> None:
        """Commit the waiting jobs, the leader's own among them, then pass the lead to the next
        caller.
        """
        batch: list[WriteJob] = []
        try:
            self._commit(batch)
        except BaseException as error:
            self._abandon()
            if not batch:
                self._take(batch)
            failure = StoreError(describe_error(error))
            failure.__cause__ = error
            for job in batch:
                job.error = failure
            if not isinstance(error, Exception):
                raise
        finally:
            self._follow(batch)

    @abstractmethod
    def _commit(self, batch: list[WriteJob]) -> None:
        """Fill `batch` and commit it."""

    def _take(self, batch: list[WriteJob]) -> None:
        with self._mutex:
            items = 0
            room = MAX_BATCH_BYTES
            while self._pending and len(batch) < MAX_BATCH_JOBS and items < MAX_BATCH_ITEMS:
                room -= self._pending[0].bytes
                if batch and room < 0:
                    break
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

    @abstractmethod
    def _abandon(self) -> None:
        """Discard the connection after a failure: closing it rolls back its transaction."""

    def disconnect(self) -> None:
        """Close the connection after the commits under way: SQLite crashes if another thread still
        uses it. The next commit opens it again.

        After `Timings.store_close_seconds` it stays open: a process that was forked during a commit
        waits for a thread that does not exist in it.
        """
        with self._mutex:
            if self._idle.wait_for(lambda: not self._leading, self._timings.store_close_seconds):
                self._abandon()

    def close(self) -> None:
        """Close the connection after the commits under way, for good."""
        self.disconnect()
