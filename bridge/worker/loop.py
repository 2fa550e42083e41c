"""The worker's loop. Each turn is one durable commit: what has ended is written down, what is due is taken on."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue

from sqlalchemy import Connection

from bridge.deliver import Send, deliver, look
from bridge.errors import BridgeError, StoreError
from bridge.flows.host import Host
from bridge.logs import get_logger
from bridge.model import Delivery, Kind, Outcome, RunReport
from bridge.platforms import PLATFORMS, Polling
from bridge.routes import Config, Mode, Platform
from bridge.settings import Settings
from bridge.store import following, health, ledger, runs
from bridge.store.database import Database
from bridge.store.ledger import Claim, Settled
from bridge.wake import Wake
from bridge.worker.local import LocalRuns
from bridge.worker.pool import Pool
from bridge.worker.turn import Ended, Taken, note

log = get_logger()

CALLS = 32  # calls under way at once
BEAT = 3.0  # seconds between heartbeats
IDLE = 0.2  # seconds between looks at the queue when nobody rings
TICK = 0.005  # the same while calls wait for a thread
DRAIN = 8.0  # seconds given to calls under way when the worker is told to stop


def _polling(config: Config, platform: str) -> Polling | None:
    known = config.platforms.get(platform)
    return PLATFORMS[known.type].polling if known else None


class Worker:
    """One worker process. `send` makes the calls; `host` executes the embedded platform's runs, None where it is not used."""

    def __init__(self, settings: Settings, config: Callable[[], Config], database: Database, send: Send, wake: Wake,
                 host: Host | None) -> None:  # fmt: skip
        self._config, self._database, self._send, self._wake = config, database, send, wake
        self.id = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._done: SimpleQueue[Callable[[Ended], None]] = SimpleQueue()
        self._ended = Ended()
        self._held: dict[str, Claim] = {}  # by delivery id: calls under way
        self._looking: set[str] = set()
        self._calls = Pool("call", CALLS, self._fault)
        self._local = LocalRuns(settings, config, host, self.id, self._report) if host else None
        self._turns = count()
        self._beat_at = 0.0
        self._look_at = 0.0  # when the next run that this worker follows is to be looked at
        self._grown_at = 0.0
        self._waiting = False  # calls wait for a thread
        self._stopping = False

    def run(self) -> None:
        """Work until `stop` was called, then finish what is under way and hand back what is not.

        BridgeError where it cannot go on: a worker cannot make another flow host, since it has threads by now.
        """
        while not self._stopping and not self._is_lost:
            self._wait()
            self.step()
        self._stopping = True
        self._drain()
        if self._is_lost:
            raise BridgeError("the flow host died; the worker has to be started again")

    @property
    def _is_lost(self) -> bool:
        return self._local is not None and self._local.is_lost

    def _wait(self) -> None:
        now = time.monotonic()
        if now - self._grown_at >= TICK:
            self._waiting = self._calls.grow()
            self._grown_at = now
        until_look = self._look_at - time.time()
        self._wake.wait(TICK if self._waiting else until_look if 0 < until_look < IDLE else IDLE)

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping = True
        self._wake.ring()

    def step(self) -> None:
        """Make one turn if there is anything to do. A store that fails costs nothing but time: what ended is kept for the next turn."""
        self._collect()
        now = time.time()
        try:
            if self._anything(now):
                taken = self._database.write(lambda connection: self._turn(connection, now))
                self._ended = Ended()
                self._begin(taken)
                note(taken)
        except StoreError as error:
            log.error("store_failed", error=str(error))
            self._wake.wait(1.0)
        except Exception as fault:
            log.error("turn_failed", exc_info=fault)
            self._salvage(now)

    def _salvage(self, now: float) -> None:
        """After a turn that failed by a fault of our own: write down each result by itself, so that one bad one does not hold up the rest.

        A result that still fails is let go: its lease runs out, and its delivery is then settled as one whose answer was lost.
        """
        ended, self._ended = self._ended, Ended()
        for self._ended in ended.each():
            taken = Taken()
            try:
                self._database.write(lambda connection, taken=taken: self._record(connection, self._config(), now, taken))  # type: ignore[misc]
            except Exception as fault:
                log.error("result_lost", exc_info=fault)
                taken.settled = [(claim, outcome, None) for claim, outcome in self._ended.attempts]
            self._begin(taken)
            note(taken)
        self._ended = Ended()
        self._wake.wait(1.0)

    def _collect(self) -> None:
        while True:
            try:
                self._done.get_nowait()(self._ended)
            except Empty:
                return

    def _anything(self, now: float) -> bool:
        if self._ended or now - self._beat_at >= BEAT:
            return True
        with self._database.read() as connection:
            return ledger.due(connection, now) or (self._local is not None and self._local.anything(connection, now))

    # -- one turn, inside one transaction

    def _turn(self, connection: Connection, now: float) -> Taken:
        config = self._config()
        taken = Taken()
        self._record(connection, config, now, taken)
        if now - self._beat_at >= BEAT:
            self._beat(connection, now, taken)
        if self._local is not None:
            self._local.look(connection, now, taken)
        if not self._stopping:
            self._take(connection, config, now, taken)
        return taken

    def _record(self, connection: Connection, config: Config, now: float, taken: Taken) -> None:
        waits = [self._look_at - now] if self._look_at > now else []
        settled = []
        for claim, outcome in self._ended.attempts:
            polling = _polling(config, claim.delivery.platform)
            first = polling.first if polling and outcome.run_id else None
            waits += [first] if first is not None else []
            settled.append(Settled(claim, outcome, first))
        statuses = ledger.record(connection, settled, now, jitter=random.random())
        taken.settled = [(each.claim, each.outcome, status) for each, status in zip(settled, statuses, strict=True)]
        for followed, polls, report in self._ended.looks:
            polling = _polling(config, followed.platform)
            waits.append(polling.delay(polls + 1) if polling else BEAT)
            if following.record_run(connection, followed, report, now, next_poll=waits[-1]):
                taken.over.append((followed, report))
        self._look_at = now + min(waits, default=0.0)
        if self._local is not None:
            self._local.record(connection, self._ended, now)

    def _beat(self, connection: Connection, now: float, taken: Taken) -> None:
        health.beat(connection, self.id, socket.gethostname(), os.getpid(), now)
        ledger.extend(connection, [claim.lease for claim in self._held.values()], now)
        if self._local is not None:
            self._local.beat(connection, now)
        taken.reaped = ledger.reap(connection, now, random.random())
        runs.abandon_running(connection, now)
        self._beat_at = now

    def _take(self, connection: Connection, config: Config, now: float, taken: Taken) -> None:
        turn = next(self._turns)
        free = CALLS - len(self._held) - len(self._looking)
        taken.looks = following.claim_polls(connection, platforms=config.platforms, most=max(free, 0), now=now)
        paused = frozenset(route.name for route in config.routes if route.mode is Mode.PAUSED)
        caps = {platform.name: platform.max_concurrent_runs for platform in config.platforms.values()}
        free -= len(taken.looks)
        if free > 0:
            taken.claims = ledger.claim(connection, caps=caps, paused=paused, most=free, now=now, lease=f"{self.id}:{turn}", turn=turn)
        if self._local is not None:
            self._local.take(connection, now, taken)

    # -- the calls

    def _begin(self, taken: Taken) -> None:
        """Set going what the turn took on: its intent is on disk now."""
        platforms = self._config().platforms
        for claim, _, _ in taken.settled:
            self._held.pop(claim.delivery.id, None)
        for claim in taken.claims:
            self._held[claim.delivery.id] = claim
            self._calls.submit(claim.delivery.id, lambda claim=claim: self._deliver(claim, platforms[claim.delivery.platform]))  # type: ignore[misc]
        for followed, polls in taken.looks:
            self._looking.add(followed.id)
            self._calls.submit(f"look {followed.id}", lambda one=followed, polls=polls: self._look(one, polls, platforms[one.platform]))  # type: ignore[misc]
        self._waiting = bool(self._waiting or taken.claims or taken.looks)
        if self._local is not None:
            self._local.begin(taken)

    def _report(self, done: Callable[[Ended], None]) -> None:
        self._done.put(done)
        self._wake.ring()

    def _deliver(self, claim: Claim, platform: Platform) -> None:
        try:
            outcome = deliver(claim.delivery, platform, self._send, time.time())
        except Exception as fault:
            log.error("call_failed", delivery_id=claim.delivery.id, exc_info=fault)
            outcome = Outcome(kind=Kind.UNKNOWN, detail="the call failed by a fault of flowbridge's own")
        self._report(lambda ended: ended.attempts.append((claim, outcome)))

    def _look(self, followed: Delivery, polls: int, platform: Platform) -> None:
        try:
            report = look(followed, platform, self._send)
        except Exception as fault:
            log.error("look_failed", delivery_id=followed.id, exc_info=fault)
            report = RunReport(state=None, detail="the look failed by a fault of flowbridge's own")

        def done(ended: Ended) -> None:
            self._looking.discard(followed.id)
            ended.looks.append((followed, polls, report))

        self._report(done)

    def _fault(self, error: BaseException) -> None:
        log.error("worker_fault", exc_info=error)

    # -- the end

    def _drain(self) -> None:
        """Hand back what has not begun, let the calls under way end, and write down how; then say goodbye."""
        untouched = [self._held.pop(key) for key in self._calls.cancel() & self._held.keys()]
        self._try(lambda: self._database.write(lambda connection: ledger.hand_back(connection, untouched)))  # else their leases run out
        until = time.monotonic() + DRAIN
        while (self._held or (self._local is not None and self._local.busy)) and time.monotonic() < until:
            self._wake.wait(0.1)
            self.step()
        self._try(self._cut_off)
        self._try(lambda: self._database.write(lambda connection: health.leave(connection, self.id)))
        if self._local is not None:
            self._local.close()
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
                unknown = Outcome(kind=Kind.UNKNOWN, detail="flowbridge was stopped while the call was under way")
                self._ended.attempts.append((claim, unknown))
        now = time.time()

        def settle(connection: Connection) -> Taken:
            if self._local is not None:
                self._local.cut_off(connection, now)
            return self._turn(connection, now)

        note(self._database.write(settle))
