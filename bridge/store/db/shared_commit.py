"""Shared commits for PostgreSQL: the new rows of concurrent callers are one statement.

The first caller leads, and those that come while it commits are the next batch. A statement by
itself is a transaction, so a batch takes one exchange with the server. If it fails, nothing of it
is stored, and each caller writes its rows in a transaction of its own: a bad row fails alone, and a
caller that has to wait for a lock holds up nobody else. If the database fails, that is a
`StoreError` for every caller in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreError
from bridge.core.timings import Timings
from bridge.store.db.advisory_locks import lock_keys
from bridge.store.db.commit_queue import CommitQueue, RowBatch, WriteJob
from bridge.store.db.error_text import describe_error
from bridge.store.db.postgres import KeptConnection, milliseconds

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
