"""Stores the events of several requests in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from time import monotonic
from typing import Protocol

from bridge.core.errors import CommitWaits
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.ports import StoredEvent
from bridge.system.logs import gather_lines

SLOW_COMMIT_SECONDS = 0.05  # after which commits leave the loop, until one is fast again

#: A function finishes the storing in a transaction of the request's own, and may wait.
Stored = Sequence[StoredEvent] | Exception | Callable[[], Sequence[StoredEvent]]
Done = Callable[[Stored], None]
Waiting = Sequence[tuple[PreparedRequest, Done]]


class StoreEach(Protocol):
    """Stores the events of several requests in one commit.

    Without `waits`, raises `CommitWaits` where that would wait for another commit.
    """

    def __call__(self, requests: Sequence[PreparedRequest], *, waits: bool) -> Sequence[Stored]: ...


class ObserveCommit(Protocol):
    """Counts a commit of `seconds`."""

    def __call__(self, seconds: float, *, on_loop: bool) -> None: ...


class CommitGatherer:
    """Stores the events of requests together, one commit at a time.

    A fast commit runs on the loop: a thread would cost more. One that would wait for another
    process runs in `executor`, so that the loop serves others meanwhile; so do those after a slow
    one, since the time that a disk takes is known only afterwards. With `waits_for_server` all run
    there.
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
        self._is_committing = False
        self._waits_for_server = waits_for_server
        self._is_slow = waits_for_server

    def store(self, requests: Waiting) -> None:
        """Store the events of requests, then call `done` of each on the loop with its result.

        What is passed during a commit is stored by the next one.
        """
        self._waiting += requests
        if self._waiting and not self._is_committing:
            self._is_committing = True
            self._commit()

    def _commit(self) -> None:
        waiting = self._waiting
        self._waiting = []
        if not self._is_slow:
            try:
                results, seconds = self._store(waiting, waits=False)
            except CommitWaits:
                pass
            else:
                self._finish(waiting, results, seconds, on_loop=True)
                return
        try:
            future = self._loop.run_in_executor(
                self._executor, lambda: self._store(waiting, waits=True)
            )
        except RuntimeError:  # no thread could be started: the loop waits
            self._finish(waiting, *self._store(waiting, waits=True), on_loop=True)
            return
        future.add_done_callback(
            lambda ended: self._finish(waiting, *ended.result(), on_loop=False)
        )

    def _store(self, waiting: Waiting, *, waits: bool) -> tuple[Sequence[Stored], float]:
        """Return the results, and how long the commit took."""
        began = monotonic()
        results: Sequence[Stored]
        try:
            results = self._store_each([prepared for prepared, _ in waiting], waits=waits)
        except CommitWaits:
            raise
        except Exception as error:  # of none of them alone
            results = [error] * len(waiting)
        return results, monotonic() - began

    def _finish(
        self,
        waiting: Waiting,
        results: Sequence[Stored],
        seconds: float,
        *,
        on_loop: bool,
    ) -> None:
        if self._observe is not None:
            self._observe(seconds, on_loop=on_loop)
        self._is_slow = self._waits_for_server or seconds > SLOW_COMMIT_SECONDS
        self._is_committing = bool(self._waiting)
        if self._is_committing:
            self._loop.call_soon(self._commit)
        with gather_lines():
            for (_, done), result in zip(waiting, results, strict=True):
                done(result)
