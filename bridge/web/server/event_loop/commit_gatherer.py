"""Gathers the events of the requests of one tick into one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from time import monotonic
from typing import Protocol

from bridge.ingest.effects import PreparedRequest
from bridge.ingest.ports import StoredEvent

SLOW_COMMIT_SECONDS = 0.05  # after which commits leave the loop, until one is fast again

#: A function finishes the storing in a transaction of the request's own, and may wait.
Stored = Sequence[StoredEvent] | Exception | Callable[[], Sequence[StoredEvent]]
StoreEach = Callable[[Sequence[PreparedRequest]], Sequence[Stored]]
Done = Callable[[Stored], None]


class ObserveCommit(Protocol):
    """Counts a commit of `seconds`."""

    def __call__(self, seconds: float, *, on_loop: bool) -> None: ...


class CommitGatherer:
    """Stores what is added within a tick of the loop together, one commit at a time.

    A fast commit runs on the loop: a thread would cost more. After a slow one, commits run in
    `executor`, so that the loop serves others while the disk or the lock is waited for. With
    `waits_for_server` all run there.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store_each: StoreEach,
        executor: Executor,
        observe: ObserveCommit | None = None,
        *,
        waits_for_server: bool = False,
    ) -> None:
        self._loop = loop
        self._store_each = store_each
        self._executor = executor
        self._observe = observe
        self._waiting: list[tuple[PreparedRequest, Done]] = []
        self._is_scheduled = False
        self._waits_for_server = waits_for_server
        self._is_slow = waits_for_server

    def add(self, prepared: PreparedRequest, done: Done) -> None:
        """Store the events of a request soon, then call `done` on the loop with the result."""
        self._waiting.append((prepared, done))
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        waiting = self._waiting
        self._waiting = []
        if not self._is_slow:
            self._finish(waiting, *self._store(waiting))
            return
        future = self._loop.run_in_executor(self._executor, self._store, waiting)
        future.add_done_callback(lambda ended: self._finish(waiting, *ended.result()))

    def _store(
        self, waiting: Sequence[tuple[PreparedRequest, Done]]
    ) -> tuple[Sequence[Stored], float]:
        """Return the results, and how long the commit took."""
        began = monotonic()
        try:
            results = self._store_each([prepared for prepared, _ in waiting])
        except Exception as error:  # of none of them alone
            results = [error] * len(waiting)
        return results, monotonic() - began

    def _finish(
        self,
        waiting: Sequence[tuple[PreparedRequest, Done]],
        results: Sequence[Stored],
        seconds: float,
    ) -> None:
        if self._observe is not None:
            self._observe(seconds, on_loop=not self._is_slow)
        self._is_slow = self._waits_for_server or seconds > SLOW_COMMIT_SECONDS
        self._is_scheduled = False
        self._schedule()
        for (_, done), result in zip(waiting, results, strict=True):
            done(result)
