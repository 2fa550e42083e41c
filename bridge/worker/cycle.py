"""One cycle of the worker: apply results, make a turn if there is work, and start calls."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, assert_never, cast

from bridge.config.settings import Settings
from bridge.core.errors import StoreError
from bridge.flows.process.forkserver import Forkserver
from bridge.routing.model import Config, Platform
from bridge.store import clock_steps
from bridge.store.db.change_detector import ChangeDetector
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.db.notify import WakeupListener
from bridge.store.queue import claims, leases
from bridge.store.queue.claim_round import Claim
from bridge.system.boot_clock import TimedSend, boot_seconds
from bridge.system.logs import get_logger
from bridge.system.wakeup import Wake
from bridge.worker.attempt_deadline import make_attempt
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.clock_skew import HostClocks
from bridge.worker.form_files import FileDeliverer
from bridge.worker.local.runs import LocalRuns
from bridge.worker.reconciler import Reconciler
from bridge.worker.results import (
    AttemptEnded,
    FlowsBroken,
    FlowsLoaded,
    HostDied,
    ListEnded,
    PendingResults,
    PollEnded,
    ReconcileEnded,
    Result,
    RunEnded,
    RunLost,
    RunReturned,
)
from bridge.worker.run_tracker import RunTracker
from bridge.worker.thread_pool import ThreadPool
from bridge.worker.tracing import DeliveryObserver
from bridge.worker.turn import Turns
from bridge.worker.turn_changes import TurnChanges


class ResultQueue:
    """Results that any thread puts and the worker takes; each put wakes the worker."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._enough = 1  # results that wake the worker

    @property
    def is_empty(self) -> bool:
        """Return whether no result waits."""
        return self._results.empty()

    def put(self, result: Result) -> None:
        """Add a result, from any thread."""
        self._results.put(result)
        if self._results.qsize() >= self._enough:
            self._wake.notify()

    def take_all(self) -> Iterator[Result]:
        """Yield the results that wait, and those that come meanwhile."""
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                return
            yield result

    def gather(self, number: int, seconds: float) -> None:
        """Wait until so many results are here, or for `seconds`."""
        self._enough = number
        until = time.monotonic() + seconds
        while self._results.qsize() < number and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
        self._enough = 1


log = get_logger()

MAX_CALLS: Final = 64  # under way at once


class Cycle:
    """The cycles of one worker, and the calls and runs that they start. See `Worker`."""

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        send: TimedSend,
        wake: Wake,
        host: Forkserver | None,
        relay: BrokerRelay | None,
        traced: DeliveryObserver,
    ) -> None:
        self.id = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._timings = settings.timings
        self._config = config
        self._present = config()  # a turn ends with the configuration that it began with
        self._database = database
        self._wake = wake
        self._relay = relay
        self.traced = traced
        self.now = DatabaseClock(database)
        self._results = ResultQueue(wake)
        self.clocks = HostClocks(send, self._timings.host_clock_fresh_seconds)
        self._send = self.clocks.send
        self._attempt = traced.wrap(FileDeliverer(settings, database).deliver)
        self.calls = ThreadPool(
            "call", MAX_CALLS, lambda error: log.error("call_thread_failed", exc_info=error)
        )
        self.tracker = self._track_runs(settings, config)
        self.local = self._run_locally(settings, host)
        self.turns = Turns(
            self.id,
            settings,
            lambda: self._present,
            self.tracker,
            self.local,
            relay,
            self.clocks,
            most_calls=MAX_CALLS,
        )
        self.listener = WakeupListener(database, wake.notify)
        self.changes = ChangeDetector(database)
        self.is_quiet = False  # nothing becomes due soon, and wake-ups arrive
        self.is_waiting = False  # calls wait for a thread
        # Until then only a change of the store or a result gives work.
        self._idle_until = 0.0

    @property
    def is_busy(self) -> bool:
        """Return whether a call or a run is under way."""
        return bool(self.turns.held) or (self.local is not None and self.local.is_busy)

    def _config_now(self) -> Config:
        return self._present

    def _track_runs(self, settings: Settings, config: Callable[[], Config]) -> RunTracker:
        reconciler = Reconciler(
            config, self._database, self._send, settings.reconcile_after, self.now
        )
        report = self._results.put
        return RunTracker(self._config_now, self._send, reconciler, self.calls, report, self.now)

    def _run_locally(self, settings: Settings, host: Forkserver | None) -> LocalRuns | None:
        if host is None:
            return None
        report = self._results.put
        return LocalRuns(settings, self._config_now, host, self.id, report, self.traced.environ)

    def step(self) -> None:
        """Make one turn if there is work.

        Where the store fails, the next turn stores the results.
        """
        self._take_configuration()
        self.collect()
        if self.local is not None:
            self.local.flows.log_missing()
        try:
            if self.turns.beats:
                self.now.set()
                clock_steps.correct_clock_steps(self._database, self.now)
            clocks = self.now.read()
            if self._has_work(clocks.at):
                taken = self._database.write(lambda connection: self.turns.make(connection, clocks))
                self.turns.commit(taken)
                self._begin(taken)
                self.traced.record_turn(taken)
        except StoreError as error:
            log.error("store_failed", error=str(error))
            self.turns.fail()
            self._wake.wait(1.0)
        except Exception as fault:
            log.error("turn_failed", exc_info=fault)
            self._salvage(self.now())

    def _take_configuration(self) -> None:
        """Use the newest configuration from this step on."""
        config = self._config()
        if config is self._present:
            return
        self._present = config
        self._idle_until = 0.0
        self.turns.tries_credentials = True
        if self.local is not None:
            self.local.flows.note_new_config()

    def _has_work(self, now: float) -> bool:
        """Return whether a turn has work to do."""
        if self.turns.must_write or self.turns.beats:
            return True
        if boot_seconds() < self._idle_until and not self.changes.has_changed():
            return False
        beat = self._timings.heartbeat_seconds
        with self._database.read() as connection:
            is_due = claims.is_work_due(connection, now)
            nothing_soon = not is_due and not claims.is_work_due(connection, now + beat)
            self.is_quiet = self.listener.is_connected and nothing_soon
            is_idle = nothing_soon and (self.local is None or self.local.is_idle(connection))
            self._idle_until = boot_seconds() + beat if is_idle else 0.0
            return is_due or (
                self.local is not None and not is_idle and self.local.has_work(connection)
            )

    def _salvage(self, now: float) -> None:
        """Store each result by itself, after a turn that failed because of a bug.

        So a bad result does not block the rest. One that still fails is dropped: when its lease
        runs out, a worker settles its delivery as one whose answer was lost.
        """
        turns = self.turns
        ended = turns.ended
        turns.ended = PendingResults()
        for turns.ended in ended.each():
            taken = TurnChanges()
            try:
                self._database.write(partial(turns.salvage, now=now, taken=taken))
            except Exception as fault:
                log.error("result_lost", exc_info=fault)
                taken.settled = [
                    (attempt.claim, attempt.outcome, None) for attempt in turns.ended.attempts
                ]
            self._begin(taken)
            self.traced.record_turn(taken)
        turns.ended = PendingResults()
        self._wake.wait(1.0)

    # -- the results

    def wait(self, seconds: float) -> None:
        """Sleep until there may be work, or for `seconds`."""
        if len(self.turns.held) + len(self.tracker) >= MAX_CALLS:
            # Nothing can be claimed before some calls end, and a turn costs more than several of
            # them, so the results of half of them share one.
            self._results.gather(MAX_CALLS // 2, self._timings.pool_growth_seconds)
        # in any case: it shows that we live
        self._wake.wait(seconds if self._results.is_empty else 0.0)

    def collect(self) -> None:
        """Apply the results that are on the queue."""
        for result in self._results.take_all():
            self._apply(result)
            self._idle_until = 0.0

    def _apply(self, result: Result) -> None:
        """Apply one result, and give it to the next turn where it has to be stored."""
        ended = self.turns.ended
        local = cast("LocalRuns", self.local)  # only it reports results of runs and flows
        match result:
            case AttemptEnded():
                ended.attempts.append(result)
            case PollEnded():
                self.tracker.finish([result], ended)
            case ListEnded():
                self.tracker.finish_list(result, ended)
            case ReconcileEnded(delivery_id):
                self.tracker.finish_reconciling(delivery_id)
            case RunEnded(run_id, how):
                local.note_ended(run_id, how, ended)
            case RunReturned(run_id):
                local.note_returned(run_id, ended)
            case RunLost(run_id):
                local.note_lost(run_id, ended)
            case FlowsLoaded(flows):
                local.flows.note_loaded(flows)
            case FlowsBroken(why, for_good):
                local.flows.note_broken(why, for_good=for_good)
            case HostDied():
                local.note_host_died()
            case _:
                assert_never(result)

    # -- the calls

    def _begin(self, taken: TurnChanges) -> None:
        """Start the calls and runs that the turn claimed: their intents are on disk now."""
        platforms = self._present.platforms
        held_claims = self.turns.held
        for claim, _, _ in taken.settled:
            held_claims.pop(claim.delivery.id, None)
        for claim in taken.claims if self._relay is None else ():
            held_claims[claim.delivery.id] = claim
            platform = platforms[claim.delivery.platform]
            self.calls.submit(claim.delivery.id, partial(self._deliver, claim, platform))
        self.tracker.begin(taken, platforms)
        self.is_waiting = bool(self.is_waiting or taken.claims or taken.polls)
        if self.local is not None:
            self.local.begin(taken)
        if self._relay is not None and (returned := self._relay.hand_over(taken.claims)):
            self.try_to_write(
                lambda: self._database.write(
                    lambda connection: leases.return_claims(connection, returned)
                )
            )

    def _deliver(self, claim: Claim, platform: Platform) -> None:
        lease = self._timings.lease_seconds
        beat_at = self.turns.stored_beat_at
        outcome = make_attempt(claim, platform, self._attempt, self._send, self.now, lease, beat_at)
        self._results.put(AttemptEnded(claim, outcome))

    def try_to_write(self, write: Callable[[], None]) -> None:
        """Write to the store, and log a failure."""
        try:
            write()
        except StoreError as error:
            log.error("store_failed", error=str(error))
