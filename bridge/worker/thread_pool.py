"""A thread pool that grows while calls are slow.

Two threads keep up with calls of a millisecond, and more would compete for the interpreter. Slow
calls need a thread each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from bridge.system.logs import get_logger

log = get_logger()

Task = Callable[[], None]
PATIENCE: Final = 4  # calls of `grow` for which a task may wait


class ThreadPool:
    """Runs tasks in daemon threads. A task reports its own end; `failed` gets what it raises."""

    def __init__(
        self, name: str, max_threads: int, failed: Callable[[BaseException], None]
    ) -> None:
        self._name = name
        self._most = max_threads
        self._failed = failed
        self._waiting: SimpleQueue[tuple[str, Task] | None] = SimpleQueue()
        self._threads = 0
        self._is_short = False  # whether the last thread could not start
        self._taken = 0
        # at the last call of `grow`
        self._taken_before = 0
        self._waiting_before = 0
        self._mutex = threading.Lock()

    def submit(self, key: str, task: Task) -> None:
        """Run `task` as soon as a thread is free; `key` is what `cancel` calls it."""
        self._waiting.put((key, task))
        if self._threads < 2:
            self._start()

    def grow(self) -> bool:
        """Start threads if tasks would wait for more than `PATIENCE` calls of this method, at the
        pace since the last one: for each task, if none was taken. Return whether any waits.

        Call it every few milliseconds.
        """
        taken = self._taken
        for _ in range(self._waiting_before - PATIENCE * (taken - self._taken_before)):
            self._start()
        self._taken_before = taken
        self._waiting_before = self._waiting.qsize()
        return self._waiting_before > 0

    def cancel(self) -> set[str]:
        """Drop the tasks that no thread has taken, and return their keys. Others run or will."""
        keys = set()
        while True:
            try:
                if (taken := self._waiting.get_nowait()) is not None:
                    keys.add(taken[0])
            except Empty:
                return keys

    def close(self) -> None:
        """End each thread as soon as it is free. Submit nothing afterwards."""
        with self._mutex:
            self._most = 0
            for _ in range(self._threads):
                self._waiting.put(None)

    def _start(self) -> None:
        with self._mutex:
            if self._threads >= self._most:
                return
            number = self._threads + 1
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # a limit of the machine: `grow` tries again
                if not self._is_short:
                    log.error("thread_not_started", name=thread.name, error=str(error))
                self._is_short = True
                return
            self._is_short = False
            self._threads = number

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            self._taken += 1  # a count lost between threads does no harm
            try:
                taken[1]()
            except BaseException as error:
                self._failed(error)
