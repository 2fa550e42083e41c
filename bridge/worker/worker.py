"""The life cycle of a worker, from the start to the drain. `Cycle` does the work in between."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.delivery import unknown_outcomes
from bridge.flows.process.forkserver import Forkserver
from bridge.routing.model import Config
from bridge.store.db import notify
from bridge.store.db.database import Database
from bridge.store.queue import heartbeats
from bridge.system.boot_clock import TimedSend
from bridge.system.logs import get_logger
from bridge.system.wakeup import Wake
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.cycle import Cycle
from bridge.worker.maintenance.jobs import make_scheduler
from bridge.worker.results import AttemptEnded
from bridge.worker.tracing import DeliveryObserver
from bridge.worker.turn_changes import TurnChanges

log = get_logger()


class Worker:
    """One worker process. `send` makes the calls.

    `host` executes the runs of the local platform, None where it is not used. `relay` sends
    deliveries to a broker, so that other processes make the calls. `traced` logs and traces calls.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        send: TimedSend,
        wake: Wake,
        host: Forkserver | None,
        relay: BrokerRelay | None = None,
        traced: DeliveryObserver | None = None,
    ) -> None:
        self._timings = settings.timings
        self._database = database
        self._wake = wake
        self._cycle = Cycle(
            settings, config, database, send, wake, host, relay, traced or DeliveryObserver()
        )
        self.id = self._cycle.id
        self._scheduler = make_scheduler(
            settings, config, database, self._cycle.now, self._cycle.clocks, wake.notify
        )
        self._grown_at = 0.0
        self._stopping = False
        self._within = self._timings.drain_seconds  # seconds for calls under way at the end

    def run(self) -> None:
        """Work until `stop` is called, then finish the calls under way and hand back the rest.

        Raise BridgeError where the flow host has died: a worker has threads, so it forks no other.
        """
        self._cycle.listener.start()
        self._scheduler.start()
        while not self._stopping and not self._is_lost:
            self.step()
            self._wait()
        self._end_taking()
        self._scheduler.end()
        self._drain()
        self._scheduler.close()
        self._cycle.listener.close()
        self._cycle.changes.close()
        if self._is_lost:
            raise BridgeError("the flow host died; restart the worker")

    def step(self) -> None:
        """Make one cycle."""
        self._cycle.step()

    def stop(self, within: float | None = None) -> None:
        """Ask the loop to end, and give calls under way `within` seconds.

        The default is `Timings.drain_seconds`. Safe in a signal handler.
        """
        self._within = self._timings.drain_seconds if within is None else within
        self._end_taking()
        self._wake.notify()

    def _end_taking(self) -> None:
        self._stopping = True
        self._cycle.turns.is_stopping = True

    @property
    def _is_lost(self) -> bool:
        return self._cycle.local is not None and self._cycle.local.is_lost

    def _wait(self) -> None:
        now = time.monotonic()
        timings = self._timings
        if now - self._grown_at >= timings.pool_growth_seconds:
            self._cycle.is_waiting = self._cycle.calls.grow()
            self._grown_at = now
        quiet = min(timings.quiet_poll_seconds, timings.heartbeat_seconds)
        idle = quiet if self._cycle.is_quiet else timings.idle_poll_seconds
        until_look = self._cycle.tracker.next_at - self._cycle.now()
        if 0 < until_look < idle:
            idle = until_look
        self._cycle.wait(timings.pool_growth_seconds if self._cycle.is_waiting else idle)

    # -- the end

    def _drain(self) -> None:
        """Hand back the calls that have not begun, wait for the others, and store their results."""
        turns = self._cycle.turns
        untouched = [turns.held.pop(key) for key in self._cycle.calls.cancel() & turns.held.keys()]
        # Otherwise other workers wait until the leases run out. A poll whose answer still arrives
        # may be made twice.
        turns.give_back(untouched, self._cycle.tracker.under_way.values())
        self.step()
        notify.notify_workers(self._database)
        self._wait_for_calls()
        self._cycle.try_to_write(self._cut_off)
        self._cycle.try_to_write(self._leave)
        if self._cycle.local is not None:
            self._cycle.local.close()
        self._cycle.calls.close()
        log.info("worker_stopped", handed_back=len(untouched))

    def _leave(self) -> None:
        self._database.write(lambda connection: heartbeats.leave(connection, self.id))

    def _wait_for_calls(self) -> None:
        """Make steps until nothing is under way or to be stored, or the time for it is over."""
        told_at = time.monotonic()
        while (self._cycle.is_busy or self._cycle.turns.must_write) and (
            time.monotonic() < told_at + self._within
        ):
            self._cycle.wait(0.1)
            self.step()

    def _cut_off(self) -> None:
        """Settle what did not end in time: a call is unknown, a local run has failed."""
        self._cycle.collect()
        attempts = self._cycle.turns.ended.attempts
        ended = {attempt.claim.delivery.id for attempt in attempts}
        for claim in self._cycle.turns.held.values():
            if claim.delivery.id not in ended:
                attempts.append(AttemptEnded(claim, unknown_outcomes.STOPPED))
        clocks = self._cycle.now.read()

        def settle(connection: Connection) -> TurnChanges:
            if self._cycle.local is not None:
                self._cycle.local.interrupt_running(connection, clocks.at)
            return self._cycle.turns.make(connection, clocks)

        self._cycle.traced.record_turn(self._database.write(settle))
