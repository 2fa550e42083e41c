"""Operations that a worker carries out, by turns: each turn is one batch of one operation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.operations import Operation
from bridge.routing.model import Config
from bridge.services.operations.handlers import make_handler
from bridge.services.operations.pacing import BATCH_SECONDS, Pacer
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.db.notify import notify_workers
from bridge.store.operations import control, log
from bridge.store.operations.log import OperationHandler
from bridge.store.queue.hold import read_hold
from bridge.system.logs import get_logger

LEAD_SECONDS: Final = 10.0  # for which it goes on after this worker was last known to lead
REST_FACTOR: Final = 1.0  # the rest after a batch, in durations of the batch
STORE_REST_SECONDS: Final = 3.0  # until an operation is tried again after an error of the store
FAULT_REST_SECONDS: Final = 30.0  # the same after an error of the program

logger = get_logger()


@dataclass(slots=True)
class OperationTurns:
    """The state of an operation that a worker keeps from one turn to the next."""

    pacer: Pacer
    config_hash: str = ""
    handler: OperationHandler[Any] | None = None
    not_before: float = 0.0
    worked_at: float = 0.0


class OperationRunner:
    """Carries out operations in a thread of its own, one after the other by batches.

    Claims come first: after each batch it rests for as long as the batch took. Several runners do
    no item twice, but together they exceed a rate, so the leading worker runs it. `wake` wakes the
    worker of this process.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        clock: DatabaseClock,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._config = config
        self._database = database
        self._clock = clock
        self._wake = wake
        self._turns: dict[int, OperationTurns] = {}
        self._until = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start_due(self, leads: Callable[[], bool]) -> None:
        """Start the thread where there are operations; if it runs, let it go on for some time."""
        if self._over.is_set():
            return
        if self._thread is not None and self._thread.is_alive():
            if leads():
                self._until = time.monotonic() + LEAD_SECONDS
            return
        try:
            with self._database.read() as connection:
                has_work = control.has_work(connection)
        except BridgeError as error:
            logger.error("store_failed", error=str(error))
            return
        if has_work and leads():
            self._until = time.monotonic() + LEAD_SECONDS
            thread = threading.Thread(target=self._run, name="operations", daemon=True)
            thread.start()
            self._thread = thread

    def end(self) -> None:
        """Ask the thread to end after its batch."""
        self._over.set()

    def close(self) -> None:
        """Ask the thread to end, and wait some seconds for it."""
        self.end()
        if self._thread is not None:
            self._thread.join(5.0)

    def run_once(self) -> int:
        """Do a batch of each operation that is due, and return how many items were done."""
        with self._database.read() as connection:
            if read_hold(connection) is not None:
                self._turns = {}
                return 0
        work = control.list_work(self._database)
        self._turns = {operation.seq: self._turns_of(operation) for operation in work}
        return sum(self._take_turn(operation) for operation in work if not self._over.is_set())

    def _run(self) -> None:
        try:
            while not self._over.is_set() and time.monotonic() < self._until:
                if self.run_once():
                    continue
                if not self._turns:
                    return
                self._over.wait(BATCH_SECONDS)
        except Exception as fault:
            logger.error("operations_failed", exc_info=fault)

    def _turns_of(self, operation: Operation) -> OperationTurns:
        turns = self._turns.get(operation.seq)
        if turns is not None:
            return turns
        rate = operation.options.get("rate")
        return OperationTurns(Pacer(rate if isinstance(rate, str) else None))

    def _take_turn(self, operation: Operation) -> int:
        """Do the next batch of an operation; an error sets it aside for a while."""
        turns = self._turns[operation.seq]
        now = time.monotonic()
        limit = turns.pacer.count_due(log.BATCH_ITEMS)
        is_small = limit < log.BATCH_ITEMS and now - turns.worked_at < BATCH_SECONDS
        if turns.not_before > now or not limit or is_small:
            return 0
        turns.worked_at = now
        try:
            results = log.advance(
                self._database, operation, self._handler_of(operation, turns), self._clock(), limit
            )
        except BridgeError as error:
            turns.not_before = now + STORE_REST_SECONDS
            logger.error("operation_failed", operation=operation.id, error=str(error))
            return 0
        except Exception as fault:
            turns.not_before = now + FAULT_REST_SECONDS
            logger.error("operation_failed", operation=operation.id, exc_info=fault)
            return 0
        turns.pacer.count_done(len(results))
        self._wake()
        notify_workers(self._database)
        least = self._settings.timings.job_rest_seconds
        self._over.wait(max(least, REST_FACTOR * (time.monotonic() - now)))
        return len(results)

    def _handler_of(self, operation: Operation, turns: OperationTurns) -> OperationHandler[Any]:
        """Return the handler of an operation for the current configuration."""
        config = self._config()
        if turns.handler is None or turns.config_hash != config.hash:
            make = make_handler(self._settings, operation, config.sources, config)
            turns.handler = make(self._database, operation)
            turns.config_hash = config.hash
        return turns.handler
