"""The worker's loop. Each turn is one durable commit: what has ended is written down, what is due
is taken on.
"""

from __future__ import annotations

import math
import os
import random
import socket
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.clock_reading import ClockReading
from bridge.core.errors import BridgeError, StoreError
from bridge.core.model import Kind, Outcome
from bridge.delivery.attempt import Send
from bridge.delivery.fair_share import Shares
from bridge.flows.process.forkserver import Host
from bridge.routing.model import Config, Platform
from bridge.store import clock_steps
from bridge.store.db import notify
from bridge.store.db.change_detector import Changes
from bridge.store.db.clock import Clock, elapsed
from bridge.store.db.database import Database
from bridge.store.db.notify import Listener
from bridge.store.queue import claims, heartbeats, ledger, run_tracking, throttling, turn_locks
from bridge.store.queue.claims import Allowed, Claim
from bridge.store.queue.ledger import Settled
from bridge.system.logs import get_logger
from bridge.system.wakeup import Wake
from bridge.worker.attempt_deadline import attempt
from bridge.worker.broker_relay import Relay
from bridge.worker.claim_policy import allowed_by, is_held, look_at, without_flows
from bridge.worker.clock_skew import Clocks, at_intent
from bridge.worker.form_files import Files
from bridge.worker.local.runs import LocalRuns
from bridge.worker.maintenance.upkeep import housekeeper
from bridge.worker.reconciler import Reconciler
from bridge.worker.run_tracker import Looks
from bridge.worker.thread_pool import Pool
from bridge.worker.tracing import Untraced
from bridge.worker.turn import Ended, Taken, hand_back

log = get_logger()

CALLS = 32  # calls under way at once


class Worker:
    """One worker process. `send` makes the calls; `host` executes the embedded platform's runs,
    None where it is not used.

    `relay` has calls of deliveries made elsewhere; `traced` traces those made here.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        send: Send,
        wake: Wake,
        host: Host | None,
        relay: Relay | None = None,
        traced: Untraced | None = None,
    ) -> None:
        self._timings = settings.timings
        self._clocks = Clocks(send, self._timings.host_clock_fresh_seconds)
        send = self._clocks.send
        # the one that a turn begins with is the one that it ends with
        self._config = config
        self._present = config()
        self._database = database
        self._send = send
        self._wake = wake
        self._relay = relay
        self._reconcile_after = settings.reconcile_after
        self._traced = traced or Untraced()
        self._attempt = self._traced.delivering(Files(settings, database).deliver)
        self._allows: tuple[Config, Allowed] | None = None
        self.id = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._done: SimpleQueue[Callable[[Ended], None]] = SimpleQueue()
        self._ended = Ended()
        self._held: dict[str, Claim] = {}  # by delivery id: calls under way
        self._now = Clock(database)
        self._calls = Pool("call", CALLS, lambda error: log.error("worker_fault", exc_info=error))
        reconciler = Reconciler(config, database, send, settings.reconcile_after, self._now)
        self._looks = Looks(
            lambda: self._present, send, reconciler, self._calls, self._report, self._now
        )
        self._local = (
            LocalRuns(
                settings, lambda: self._present, host, self.id, self._report, self._traced.environ
            )
            if host
            else None
        )
        self._listener = Listener(database, wake.ring)
        self._changes = Changes(database)
        self._housekeeper = housekeeper(settings, config, database, self._now, self._clocks)
        self._taking = Taken()  # what the turn takes that is being made
        # what turns took that failed: they may have been committed all the same
        self._unsure: list[Taken] = []
        # nothing becomes due soon, and a ring would be heard; calls wait for a thread
        self._quiet = False
        self._waiting = False
        self._turns = count()
        self._shares = Shares()
        self._grown_at = 0.0
        # Times of the boot clock, since a wall clock that is set back would put them off.
        # `_kept_at`: the last heartbeat that is on disk.
        self._beat_at = -math.inf
        self._kept_at = 0.0
        self._failed_at = -math.inf
        # there is nothing to do until then, unless somebody changes the store or something ends
        self._idle_until = 0.0
        self._stopping = False
        self._is_held = False
        # the configuration may have other credentials than those that were refused
        self._tries_credentials = True
        # seconds given to calls under way at the end, also where nobody has told it to end
        self._within = self._timings.drain_seconds

    def run(self) -> None:
        """Work until `stop` was called, then finish what is under way and hand back what is not.

        BridgeError where it cannot go on: a worker cannot make another flow host, since it has
        threads by now.
        """
        self._listener.start()
        self._housekeeper.start()
        while not self._stopping and not self._is_lost:
            self.step()
            self._wait()
        self._stopping = True
        self._housekeeper.end()
        self._drain()
        self._housekeeper.close()
        self._listener.close()
        self._changes.close()
        if self._is_lost:
            raise BridgeError("the flow host died; the worker has to be started again")

    @property
    def _is_lost(self) -> bool:
        return self._local is not None and self._local.is_lost

    def _wait(self) -> None:
        now = time.monotonic()
        timings = self._timings
        if now - self._grown_at >= timings.pool_growth_seconds:
            self._waiting = self._calls.grow()
            self._grown_at = now
        quiet = min(timings.quiet_poll_seconds, timings.heartbeat_seconds)
        idle = quiet if self._quiet else timings.idle_poll_seconds
        until_look = self._looks.next_at - self._now()
        if 0 < until_look < idle:
            idle = until_look
        self._wake.wait(timings.pool_growth_seconds if self._waiting else idle)

    def stop(self, within: float | None = None) -> None:
        """Ask the loop to end, and give calls under way so many seconds (`Timings.drain_seconds` by
        default); safe in a signal handler.
        """
        self._within = self._timings.drain_seconds if within is None else within
        self._stopping = True
        self._wake.ring()

    def step(self) -> None:
        """Make one turn if there is anything to do. A store that fails costs nothing but time: what
        ended is kept for the next turn.
        """
        if (config := self._config()) is not self._present:
            self._present = config
            self._idle_until = 0.0
            self._tries_credentials = True
            if self._local is not None:
                self._local.reconfigured()
        self._collect()
        if self._local is not None:
            self._local.tell_missing()
        try:
            if self._beats:
                self._now.set()
                clock_steps.follow(self._database, self._now)
            clocks = self._now.read()
            now = clocks.at
            if self._anything(now):
                taken = self._database.write(lambda connection: self._turn(connection, clocks))
                self._ended = Ended()
                self._taking = Taken()
                self._unsure = []
                self._kept_at = self._beat_at
                self._tries_credentials = False
                self._shares.count(
                    (each.delivery.platform, each.delivery.route) for each in taken.claims
                )
                self._begin(taken)
                self._traced.note(taken)
        except StoreError as error:
            log.error("store_failed", error=str(error))
            self._unsure += [self._taking] if self._taking.begins else []
            self._beat_at = -math.inf
            self._failed_at = elapsed()
            self._wake.wait(1.0)
        except Exception as fault:
            log.error("turn_failed", exc_info=fault)
            self._salvage(self._now())

    def _salvage(self, now: float) -> None:
        """After a turn that failed by a fault of our own: write down each result by itself, so that
        one bad one does not hold up the rest.

        A result that still fails is let go: its lease runs out, and its delivery is then settled as
        one whose answer was lost.
        """
        ended = self._ended
        self._ended = Ended()
        for self._ended in ended.each():
            taken = Taken()
            try:
                self._database.write(
                    lambda connection, taken=taken: self._record(connection, now, taken)  # type: ignore[misc]  # mypy infers no lambda with defaults
                )
            except Exception as fault:
                log.error("result_lost", exc_info=fault)
                taken.settled = [(claim, outcome, None) for claim, outcome in self._ended.attempts]
            self._begin(taken)
            self._traced.note(taken)
        self._ended = Ended()
        self._wake.wait(1.0)

    def _collect(self) -> None:
        while True:
            try:
                self._done.get_nowait()(self._ended)
            except Empty:
                return
            self._idle_until = 0.0

    @property
    def _beats(self) -> bool:
        """Whether the next heartbeat is due."""
        return elapsed() - self._beat_at >= self._timings.heartbeat_seconds

    def _anything(self, now: float) -> bool:
        if self._ended or self._beats:
            return True
        if elapsed() < self._idle_until and not self._changes.any():
            return False
        beat = self._timings.heartbeat_seconds
        with self._database.read() as connection:
            is_due = claims.due(connection, now)
            nothing_soon = not is_due and not claims.due(connection, now + beat)
            self._quiet = self._listener.hears and nothing_soon
            is_idle = nothing_soon and (self._local is None or self._local.is_idle(connection))
            self._idle_until = elapsed() + beat if is_idle else 0.0
            return is_due or (
                self._local is not None and not is_idle and self._local.anything(connection)
            )

    # -- one turn, inside one transaction

    def _turn(self, connection: Connection, clocks: ClockReading) -> Taken:
        config = self._present
        now = clocks.at
        beats = self._beats  # once: what is locked first is what is written
        taken = self._taking = Taken()
        self._lock(connection, now, beats=beats)
        for never_begun in self._unsure:
            hand_back(connection, never_begun, self.id, now)
        settled = self._record(connection, now, taken)
        if beats:
            self._beat(connection, now, taken)
        reaped = [claim.delivery for claim, _ in taken.reaped]
        ledger.learn(
            connection,
            settled,
            self._allowed(config).caps,
            now,
            jitter=random.random(),
            reaped=reaped,
        )
        if self._local is not None:
            self._local.look(connection, now, taken)
        if self._tries_credentials:
            throttling.try_all_credentials(connection, now)
        if not self._stopping:
            self._take(connection, config, clocks, taken)
        return taken

    def _lock(self, connection: Connection, now: float, *, beats: bool) -> None:
        """Take the locks of all that this turn writes down, hands back and, where it beats,
        extends.
        """
        never_begun = [claim for each in self._unsure for claim in each.claims]
        changed = [
            *(claim.delivery for claim, _ in self._ended.attempts),
            *(one for one, _, _ in self._ended.looks),
        ]
        ids = {claim.delivery.id for claim in never_begun} | {
            one.id for each in self._unsure for one, _ in each.looks
        }
        to_nothing = bool(never_begun) or any(
            outcome.kind in ledger.CAME_TO_NOTHING for _, outcome in self._ended.attempts
        )
        if beats:
            turn_locks.lock_all(
                connection, changed, ids | self._held.keys(), self.id, now, counts_slots=to_nothing
            )
        else:
            turn_locks.lock(connection, changed, ids, counts_slots=to_nothing)

    def _record(self, connection: Connection, now: float, taken: Taken) -> list[Settled]:
        settled = []
        for claim, outcome in self._ended.attempts:
            first = self._looks.first(claim.delivery) if outcome.run_id else None
            settled.append(Settled(claim, outcome, first, self._look_for(claim, now)))
        statuses = ledger.record(connection, settled, now, jitter=random.random())
        taken.settled = [
            (each.claim, each.outcome, status)
            for each, status in zip(settled, statuses, strict=True)
        ]
        self._looks.record(connection, self._ended.looks, now, taken)
        if self._local is not None:
            self._local.record(connection, self._ended, now)
        return settled

    def _look_for(self, claim: Claim, now: float) -> float | None:
        return look_at(self._present, claim, self._reconcile_after, now)

    def _beat(self, connection: Connection, now: float, taken: Taken) -> None:
        heartbeats.beat(connection, self.id, socket.gethostname(), os.getpid(), now)
        self._is_held = is_held(connection, self._is_held)
        claims.extend(connection, [claim.lease for claim in self._held.values()], now)
        if self._local is not None:
            self._local.beat(connection, now)
        at = elapsed()
        # after a failure of the store others could not extend theirs either
        lease = self._timings.lease_seconds
        if at - self._failed_at > lease and clock_steps.is_settled(connection, now):
            taken.reaped = ledger.reap(
                connection, now, random.random(), lambda claim: self._look_for(claim, now)
            )
        self._beat_at = at

    def _take(
        self, connection: Connection, config: Config, clocks: ClockReading, taken: Taken
    ) -> None:
        now = clocks.at
        free = CALLS - len(self._held) - len(self._looks)
        self._looks.take(connection, max(free, 0), now, taken)
        most = (
            0
            if self._is_held
            else free - len(taken.looks)
            if self._relay is None
            else self._relay.room
        )
        if most > 0:
            allowed = self._allowed(config)
            lease = f"{self.id}:{next(self._turns)}"
            if self._local is not None:
                allowed = without_flows(allowed, config, self._local, connection)
            taken.claims = claims.claim(
                connection,
                allowed,
                most=most,
                now=now,
                lease=lease,
                order=self._shares.order,
                intents=self._relay is None,
                clocks=at_intent(clocks, self._clocks, config.platforms),
            )
        if self._local is not None and not self._is_held:
            self._local.take(connection, now, taken)

    def _allowed(self, config: Config) -> Allowed:
        """What `config` allows; worked out once for each."""
        if self._allows is None or self._allows[0] is not config:
            self._allows = config, allowed_by(config)
        return self._allows[1]

    # -- the calls

    def _begin(self, taken: Taken) -> None:
        """Set going what the turn took on: its intent is on disk now."""
        platforms = self._present.platforms
        for claim, _, _ in taken.settled:
            self._held.pop(claim.delivery.id, None)
        for claim in taken.claims if self._relay is None else ():
            self._held[claim.delivery.id] = claim
            self._calls.submit(
                claim.delivery.id,
                lambda claim=claim: self._deliver(claim, platforms[claim.delivery.platform]),  # type: ignore[misc]  # mypy infers no lambda with defaults
            )
        self._looks.begin(taken, platforms)
        self._waiting = bool(self._waiting or taken.claims or taken.looks)
        if self._local is not None:
            self._local.begin(taken)
        if self._relay is not None and (kept := self._relay.hand_over(taken.claims)):
            self._try(
                lambda: self._database.write(lambda connection: claims.hand_back(connection, kept))
            )

    def _report(self, done: Callable[[Ended], None]) -> None:
        self._done.put(done)
        self._wake.ring()

    def _deliver(self, claim: Claim, platform: Platform) -> None:
        lease = self._timings.lease_seconds
        outcome = attempt(
            claim, platform, self._attempt, self._send, self._now, lease, self._kept_at
        )
        self._report(lambda ended: ended.attempts.append((claim, outcome)))

    # -- the end

    def _drain(self) -> None:
        """Hand back what has not begun, and looks at runs; let the calls under way end, and write
        down how; then say goodbye.
        """
        untouched = [self._held.pop(key) for key in self._calls.cancel() & self._held.keys()]

        def let_go(connection: Connection) -> None:
            claims.hand_back(connection, untouched)
            # those whose answer is still heard may be made twice
            run_tracking.hand_back(connection, self._looks.under_way, self._now())

        self._try(lambda: self._database.write(let_go))  # else others wait until leases run out
        notify.ring(self._database)
        told_at = time.monotonic()
        while (
            self._held or (self._local is not None and self._local.busy)
        ) and time.monotonic() < told_at + self._within:
            self._wake.wait(0.1)
            self.step()
        self._try(self._cut_off)
        self._try(
            lambda: self._database.write(lambda connection: heartbeats.leave(connection, self.id))
        )
        if self._local is not None:
            self._local.close()
        self._calls.close()
        log.info("worker_stopped", handed_back=len(untouched))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StoreError as error:
            log.error("store_failed", error=str(error))

    def _cut_off(self) -> None:
        """Settle what did not end in time: a call's outcome is unknown, a run of ours has failed."""
        self._collect()
        ended = {claim.delivery.id for claim, _ in self._ended.attempts}
        for claim in self._held.values():
            if claim.delivery.id not in ended:
                unknown = Outcome(
                    kind=Kind.UNKNOWN,
                    detail="flowbridge was stopped while the call was under way",
                    ours=True,
                )
                self._ended.attempts.append((claim, unknown))
        clocks = self._now.read()

        def settle(connection: Connection) -> Taken:
            if self._local is not None:
                self._local.cut_off(connection, clocks.at)
            return self._turn(connection, clocks)

        self._traced.note(self._database.write(settle))
