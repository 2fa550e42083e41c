"""Stores the events of several requests in one commit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from time import monotonic
from typing import Protocol

from bridge.core.errors import CommitBusy, CommitWaits
from bridge.ingest.effects import PreparedRequest
from bridge.ingest.ports import StoringFailed, StoringResult
from bridge.system.logs import gather_lines, get_logger

SLOW_COMMIT_SECONDS = 0.05  # after which commits leave the loop, until one is fast again
PATIENCE_SECONDS = 0.01  # for which the loop tries a commit again while another one is under way
# The requests for which a commit waits: fewer arrive seldom enough, and more save little each.
MIN_AWAITED = 4
MAX_AWAITED = 8
log = get_logger()

StoringResults = Sequence[StoringResult]
Done = Callable[[StoringResult], None]
Waiting = Sequence[tuple[PreparedRequest, Done]]


class StoreEach(Protocol):
    """Stores the events of several requests in one commit.

    Without `waits`, raises `CommitWaits` where that would wait, or `CommitBusy` if for another
    commit.
    """

    def __call__(self, requests: Sequence[PreparedRequest], *, waits: bool) -> StoringResults: ...


class ObserveCommit(Protocol):
    """Counts a commit of `seconds`."""

    def __call__(self, seconds: float, *, on_loop: bool) -> None: ...


class CommitGatherer:
    """Stores the events of requests together, one commit at a time.

    A fast commit runs on the loop: a thread would cost more. While another process commits, it is
    tried again `retry_seconds` later, together with what has arrived by then, and after some
    milliseconds it runs in `executor`, so that the loop serves others meanwhile. So do one that
    would wait for anything else, and those after a slow one, since the time that a disk takes is
    known only afterwards. With `waits_for_server` all run there.

    A commit costs a server, and its driver, several times what one more event in it does. So while
    many requests arrive at once, the next commit waits until as many do again, but no longer than
    `pause_seconds` after the last one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store_each: StoreEach,
        executor: Executor,
        observe: ObserveCommit | None = None,
        *,
        waits_for_server: bool = False,
        retry_seconds: float = 0.0,
        pause_seconds: float = 0.0,
    ) -> None:
        self._loop = loop
        self._store_each = store_each
        self._executor = executor
        self._observe = observe
        self._waiting: list[tuple[PreparedRequest, Done]] = []
        self._is_committing = False
        self._busy_since = math.inf  # when a commit first found another one under way
        self._retry_seconds = retry_seconds
        self._waits_for_server = waits_for_server
        self._is_slow = waits_for_server
        self._pause_seconds = pause_seconds
        self._pause: asyncio.TimerHandle | None = None
        self._awaited = 0  # how many requests end the pause: as many as there were at once of late

    def store(self, requests: Waiting) -> None:
        """Store the events of requests, then call `done` of each on the loop with its result.

        What is passed during a commit, or the pause after it, is stored by the next one.
        """
        self._waiting += requests
        if self._is_committing:
            return
        if self._pause is not None:
            if len(self._waiting) < self._awaited:
                return
            self._pause.cancel()
        self._go_on()

    def _go_on(self) -> None:
        """Commit what waits: the commit before it, and its pause, are over."""
        self._pause = None
        self._is_committing = bool(self._waiting)
        if self._is_committing:
            self._commit()

    def _commit(self) -> None:
        waiting = self._waiting
        self._waiting = []
        if not self._is_slow:
            try:
                results, seconds = self._store(waiting, waits=False)
            except CommitBusy:
                now = monotonic()
                self._busy_since = min(self._busy_since, now)
                if now - self._busy_since < PATIENCE_SECONDS:
                    self._waiting = waiting
                    self._loop.call_later(self._retry_seconds, self._commit)
                    return
            except CommitWaits:
                pass  # for longer than the loop may
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

    def _store(self, waiting: Waiting, *, waits: bool) -> tuple[StoringResults, float]:
        """Return the results, and how long the commit took."""
        began = monotonic()
        results: StoringResults
        try:
            results = self._store_each([prepared for prepared, _ in waiting], waits=waits)
        except CommitWaits:
            raise
        except Exception as error:  # of none of them alone
            results = [StoringFailed(error)] * len(waiting)
        return results, monotonic() - began

    def _finish(
        self,
        waiting: Waiting,
        results: StoringResults,
        seconds: float,
        *,
        on_loop: bool,
    ) -> None:
        if self._observe is not None:
            self._observe(seconds, on_loop=on_loop)
        self._is_slow = self._waits_for_server or seconds > SLOW_COMMIT_SECONDS
        self._is_committing = False
        self._busy_since = math.inf
        self._pause_after(len(waiting))
        with gather_lines():
            for (_, done), result in zip(waiting, results, strict=True):
                try:
                    done(result)
                except Exception as bug:  # it must not stop the others
                    log.limited().error("internal_error", exc_info=bug)

    def _pause_after(self, committed: int) -> None:
        """Go on after the pause that follows a commit of so many requests, if there is one."""
        at_once = committed + len(self._waiting)
        self._awaited = min(max(at_once, self._awaited - 1), MAX_AWAITED)
        lasts = len(self._waiting) < self._awaited >= MIN_AWAITED
        pause = self._pause_seconds if lasts else 0.0
        if self._waiting or pause:
            self._pause = self._loop.call_later(pause, self._go_on)
