"""Execution of a Celery task: begin the attempt of a delivery, make the call, store its outcome."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection

from bridge.core.errors import StoreError
from bridge.core.model import Status
from bridge.core.status import Outcome
from bridge.delivery.attempt import deliver
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import next_poll_delay
from bridge.routing.model import Config
from bridge.store import clock_steps
from bridge.store.db import notify
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database, Work
from bridge.store.queue import circuit_updates, leases, ledger, turn_locks
from bridge.store.queue.claim_round import Claim
from bridge.store.queue.ledger import EndedAttempt
from bridge.system.boot_clock import TimedSend
from bridge.system.logs import get_logger
from bridge.worker.attempt_deadline import make_attempt
from bridge.worker.claim_policy import find_allowed, reconcile_at
from bridge.worker.clock_skew import HostClocks, intent_clocks
from bridge.worker.form_files import FileDeliverer
from bridge.worker.tracing import DeliveryObserver

log = get_logger()

T = TypeVar("T")
# for which an answer waits for a store that fails; its lease has run out long before
STORE_RETRY_SECONDS: Final = 300.0


class TaskRunner:
    """Makes the calls of a process that executes tasks, any number at once. Created after the fork.

    `files` delivers with the files of forms; `traced` logs and traces the calls.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        database: Database,
        send: TimedSend,
        reconcile_after: float,
        files: FileDeliverer | None = None,
        traced: DeliveryObserver | None = None,
    ) -> None:
        self._traced = traced or DeliveryObserver()
        self._deliver = self._traced.wrap(deliver if files is None else files.deliver)
        self._config = config
        self._database = database
        self._reconcile_after = reconcile_after
        self._timings = database.timings
        self._clocks = HostClocks(send, self._timings.host_clock_fresh_seconds)
        self._now = DatabaseClock(database)
        self._send = self._clocks.send
        self._id = f"{socket.gethostname()}:{os.getpid()}"
        self._held: set[str] = set()  # leases of calls under way
        self._over = threading.Event()
        self._heartbeat = threading.Thread(target=self._extend_leases, name="leases", daemon=True)
        self._heartbeat.start()

    def close(self) -> None:
        """Stop extending leases. Call it when no call is under way."""
        self._over.set()
        self._heartbeat.join(5.0)

    def make_call(self, delivery_id: str, lease: str) -> bool:
        """Make the call of a leased delivery; return False where it must not be made (any more).

        `StoreError`: the attempt did not begin.
        """
        own = f"{self._id}:{os.urandom(8).hex()}"
        platforms = self._config().callable_platforms

        def begin(connection: Connection) -> Claim | None:
            clocks = self._now.read()
            return leases.begin_attempt(
                connection,
                delivery_id,
                lease,
                own,
                platforms,
                clocks.at,
                intent_clocks(clocks, self._clocks, platforms),
            )

        claim = self._database.write(begin)
        if claim is None:
            log.info("task_ignored", delivery_id=delivery_id)
            return False
        self._held.add(own)
        try:
            platform = platforms[claim.delivery.platform]
            seconds = self._timings.lease_seconds
            outcome = make_attempt(claim, platform, self._deliver, self._send, self._now, seconds)
            self._settle(claim, outcome)
        finally:
            self._held.discard(own)
        return True

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """Store the outcome of a call. Where the store fails it waits: only this process has it."""
        config = self._config()
        platform = config.platforms.get(claim.delivery.platform)
        polling = PLATFORMS[platform.type].polling if platform else None
        first = (
            next_poll_delay(polling, 0.0, None, eager=True) if polling and outcome.run_id else None
        )
        settled = [
            EndedAttempt(
                claim,
                outcome,
                first,
                reconcile_at(config, claim, self._reconcile_after, self._now()),
            )
        ]

        def work(connection: Connection) -> Status | None:
            turn_locks.lock(connection, [claim.delivery])
            [status] = ledger.record_attempts(
                connection, settled, self._now(), jitter=random.random()
            )
            circuit_updates.update_circuits(
                connection, settled, find_allowed(config).caps, self._now(), jitter=random.random()
            )
            return status

        status = self._write_until_stored(work)
        notify.notify_workers(self._database)
        self._traced.record_attempt(claim, outcome, status)

    def _write_until_stored(self, work: Work[T]) -> T:
        until = time.monotonic() + STORE_RETRY_SECONDS
        while True:
            try:
                return self._database.write(work)
            except StoreError as error:
                log.error("store_failed", error=str(error))
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)

    def _extend_held(self, connection: Connection) -> None:
        leases.extend_leases(connection, list(self._held), self._now())

    def _extend_leases(self) -> None:
        """Extend the leases of calls under way, at every heartbeat."""
        while not self._over.is_set():
            try:
                self._now.set()
                if self._now.step:
                    clock_steps.correct_clock_steps(self._database, self._now)
                if self._held:
                    self._database.write(self._extend_held)
            except StoreError as error:
                log.error("store_failed", error=str(error))
            except Exception as fault:
                log.error("heartbeat_failed", exc_info=fault)
            self._over.wait(self._timings.heartbeat_seconds)
