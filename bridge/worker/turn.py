"""One turn of the worker: a transaction that stores results and claims deliveries."""

from __future__ import annotations

import math
import os
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.clock_reading import ClockReading
from bridge.delivery.fair_share import FairShares
from bridge.routing.model import Config
from bridge.store import clock_steps
from bridge.store.queue import (
    circuit_updates,
    claims,
    heartbeats,
    leases,
    ledger,
    throttling,
    turn_locks,
)
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.queue.ledger import EndedAttempt
from bridge.system.boot_clock import boot_seconds
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.claim_policy import exclude_missing_flows, find_allowed, read_hold, reconcile_at
from bridge.worker.clock_skew import HostClocks, intent_clocks
from bridge.worker.local.runs import LocalRuns
from bridge.worker.results import PendingResults, TrackedRun
from bridge.worker.run_tracker import RunTracker
from bridge.worker.turn_changes import TurnChanges, hand_back


class Turns:
    """The transactions of one worker, and the state between them.

    `present` gives the configuration of a turn. The worker adds to `ended` between two turns, and
    to `held` after one.
    `most_calls`: deliveries and polls that the worker itself has under way at once.
    """

    def __init__(
        self,
        worker_id: str,
        settings: Settings,
        present: Callable[[], Config],
        tracker: RunTracker,
        local: LocalRuns | None,
        relay: BrokerRelay | None,
        clocks: HostClocks,
        *,
        most_calls: int,
    ) -> None:
        self._id = worker_id
        self._timings = settings.timings
        self._reconcile_after = settings.reconcile_after
        self._tracker = tracker
        self._local = local
        self._relay = relay
        self._clocks = clocks
        self._most_calls = most_calls
        self._present = present
        self.ended = PendingResults()
        self.held: dict[str, Claim] = {}  # by delivery id: calls under way
        self.is_stopping = False  # whether it claims nothing more
        # The configuration may have new credentials since the last ones were refused.
        self.tries_credentials = True
        # Times of the boot clock, since a wall clock that is set back would put them off.
        self.beat_at = -math.inf
        self.stored_beat_at = 0.0  # the last heartbeat that is on disk
        self._failed_at = -math.inf
        self._taking = TurnChanges()  # the claims of the turn that is under way
        # What the next turn hands back: claims of failed turns, whose commits may have succeeded
        # before the failure, and those given back at the end.
        self._never_begun: list[TurnChanges] = []
        self._allows: tuple[Config, ClaimLimits] | None = None
        self._is_held = False
        self._numbers = count()
        self.shares = FairShares()

    @property
    def beats(self) -> bool:
        """Return whether the next heartbeat is due."""
        return boot_seconds() - self.beat_at >= self._timings.heartbeat_seconds

    @property
    def must_write(self) -> bool:
        """Return whether the next turn has something to store, apart from a heartbeat."""
        return bool(self.ended or self._never_begun)

    def give_back(self, never_begun: Sequence[Claim], polls: Iterable[TrackedRun]) -> None:
        """Let the next turn hand back claims whose calls never began, and polls."""
        changes = TurnChanges(claims=list(never_begun), polls=list(polls))
        if changes.begins:
            self._never_begun.append(changes)

    def make(self, connection: Connection, clocks: ClockReading) -> TurnChanges:
        """Make one turn in a transaction, and return its changes and claims."""
        config = self._present()
        now = clocks.at
        beats = self.beats  # read once: the locks and the writes have to agree
        taken = self._taking = TurnChanges()
        self._lock(connection, now, beats=beats)
        for changes in self._never_begun:
            hand_back(connection, changes, self._id, now)
        settled = self._record(connection, now, taken)
        if beats:
            self._beat(connection, now, taken)
        reaped = [claim.delivery for claim, _ in taken.reaped]
        caps = self._allowed(config).caps
        circuit_updates.update_circuits(
            connection, settled, caps, now, jitter=random.random(), reaped=reaped
        )
        if self._local is not None:
            self._local.prepare(connection, now, taken)
        if self.tries_credentials:
            throttling.try_all_credentials(connection, now)
        if not self.is_stopping:
            self._take(connection, config, clocks, taken)
        return taken

    def commit(self, taken: TurnChanges) -> None:
        """Note that a turn is on disk."""
        self.ended = PendingResults()
        self._taking = TurnChanges()
        self._never_begun = []
        self.stored_beat_at = self.beat_at
        self.tries_credentials = False
        self.shares.count((claim.delivery.platform, claim.delivery.route) for claim in taken.claims)

    def fail(self) -> None:
        """Note that the store failed: the next turn hands back the claims of this one."""
        if self._taking.begins:
            self._never_begun.append(self._taking)
        self.beat_at = -math.inf
        self._failed_at = boot_seconds()

    def salvage(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        """Store the results, and do nothing else."""
        self._lock(connection, now, beats=False)
        self._record(connection, now, taken)

    def _record(self, connection: Connection, now: float, taken: TurnChanges) -> list[EndedAttempt]:
        """Store the results."""
        settled = []
        for attempt in self.ended.attempts:
            claim = attempt.claim
            outcome = attempt.outcome
            first = self._tracker.first_poll_delay(claim.delivery) if outcome.run_id else None
            settled.append(EndedAttempt(claim, outcome, first, self._look_for(claim, now)))
        statuses = ledger.record_attempts(connection, settled, now, jitter=random.random())
        taken.settled = [
            (ended_attempt.claim, ended_attempt.outcome, status)
            for ended_attempt, status in zip(settled, statuses, strict=True)
        ]
        self._tracker.record(connection, self.ended.polls, now, taken)
        if self._local is not None:
            self._local.record(connection, self.ended, now)
        return settled

    def _lock(self, connection: Connection, now: float, *, beats: bool) -> None:
        """Lock all rows that this turn stores, hands back and, at a heartbeat, extends."""
        never_begun = [claim for changes in self._never_begun for claim in changes.claims]
        attempts = self.ended.attempts
        polled = [poll.delivery for poll in self.ended.polls]
        changed = [attempt.claim.delivery for attempt in attempts] + polled
        ids = {delivery.id for delivery in (*polled, *(claim.delivery for claim in never_begun))}
        ids |= {delivery.id for changes in self._never_begun for delivery, _ in changes.polls}
        came_to_nothing = any(attempt.outcome.kind in ledger.NO_RUN_KINDS for attempt in attempts)
        counts_slots = bool(never_begun) or came_to_nothing
        if beats:
            held_ids = ids | self.held.keys()
            turn_locks.lock_all(
                connection, changed, held_ids, self._id, now, counts_slots=counts_slots
            )
        else:
            turn_locks.lock(connection, changed, ids, counts_slots=counts_slots)

    def _look_for(self, claim: Claim, now: float) -> float | None:
        return reconcile_at(self._present(), claim, self._reconcile_after, now)

    def _beat(self, connection: Connection, now: float, taken: TurnChanges) -> None:
        heartbeats.beat(connection, self._id, socket.gethostname(), os.getpid(), now)
        self._is_held = read_hold(connection, self._is_held)
        leases.extend_leases(connection, [claim.lease for claim in self.held.values()], now)
        if self._local is not None:
            self._local.extend_leases(connection, now)
        at = boot_seconds()
        # After a failure of the store others could not extend their leases either.
        lease = self._timings.lease_seconds
        if at - self._failed_at > lease and clock_steps.is_settled(connection, now):
            taken.reaped = ledger.reap_expired(
                connection, now, random.random(), lambda claim: self._look_for(claim, now)
            )
        self.beat_at = at

    def _take(
        self, connection: Connection, config: Config, clocks: ClockReading, taken: TurnChanges
    ) -> None:
        now = clocks.at
        ended = {attempt.claim.delivery.id for attempt in self.ended.attempts}
        free = self._most_calls - len(self.held.keys() - ended) - len(self._tracker)
        self._tracker.take(connection, max(free, 0), now, taken)
        limit = free - len(taken.polls) if self._relay is None else self._relay.free_slots
        if limit > 0 and not self._is_held:
            taken.claims = self._claim(connection, config, clocks, limit)
        if self._local is not None and not self._is_held:
            self._local.take(connection, now, taken)

    def _claim(
        self, connection: Connection, config: Config, clocks: ClockReading, limit: int
    ) -> list[Claim]:
        """Claim due deliveries, as far as the configuration allows."""
        allowed = self._allowed(config)
        lease = f"{self._id}:{next(self._numbers)}"
        if self._local is not None:
            allowed = exclude_missing_flows(allowed, config, self._local.flows, connection)
        return claims.claim(
            connection,
            allowed,
            limit=limit,
            now=clocks.at,
            lease=lease,
            order=self.shares.order,
            intents=self._relay is None,
            clocks=intent_clocks(clocks, self._clocks, config.platforms),
        )

    def _allowed(self, config: Config) -> ClaimLimits:
        """Return the limits on claims, computed once for each configuration."""
        if self._allows is None or self._allows[0] is not config:
            self._allows = config, find_allowed(config)
        return self._allows[1]
