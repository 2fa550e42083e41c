"""Updates the circuits of platforms by the results of attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, text

from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery
from bridge.core.status import OutcomeKind
from bridge.delivery import circuit_breaker
from bridge.delivery.circuit_breaker import drop_if_closed, record_outcome
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import Database, timings_of
from bridge.store.queue import throttling
from bridge.store.queue.ledger import EndedAttempt

_USED = text("SELECT count(*) FROM delivery WHERE slot AND platform = :platform")


def note_answer(database: Database, platform: str, now: float) -> None:
    """Store that a platform has answered another call than a start."""

    def note(connection: Connection) -> None:
        take_lock(connection, Lock.COUNT_SLOTS)
        before = throttling.read_circuits(connection)
        if platform in before:
            changed = {platform: circuit_breaker.note_answer(before[platform], now)}
            throttling.write_circuits(connection, before, {**before, **changed}, now)

    with database.read() as connection:
        circuit = throttling.read_circuits(connection).get(platform)
    if circuit is not None and circuit_breaker.note_answer(circuit, now) != circuit:
        database.write(note)


def update_circuits(
    connection: Connection,
    settled: Sequence[EndedAttempt],
    caps: Mapping[str, int],
    now: float,
    *,
    jitter: float,
    reaped: Sequence[Delivery] = (),
) -> None:
    """Update the circuits of the platforms that answered: see `circuit_breaker`.

    Call it last before a claim, since it locks the slot counts. `reaped`: deliveries whose worker
    died; a probe among them has no result.
    """
    if not settled and not reaped:
        return
    before = throttling.read_circuits(connection)
    if not before and all(ended.outcome.kind is OutcomeKind.STARTED for ended in settled):
        return
    take_lock(connection, Lock.COUNT_SLOTS)
    before = throttling.read_circuits(connection)
    lost = {delivery.platform for delivery in reaped}
    after: dict[str, Circuit | None] = {
        name: replace(stored, probe_until=None) if name in lost else stored
        for name, stored in before.items()
    }
    for platform in {ended.claim.delivery.platform for ended in settled}:
        used = connection.execute(_USED, {"platform": platform}).scalar() or 0
        circuit = after.get(platform)
        for ended_attempt in settled:
            if ended_attempt.claim.delivery.platform == platform:
                circuit = record_outcome(
                    circuit,
                    platform,
                    ended_attempt.outcome,
                    used,
                    now,
                    jitter,
                    timings_of(connection),
                )
        circuit = drop_if_closed(circuit, caps.get(platform, 0))
        if circuit is not None or platform in before:
            after[platform] = circuit
    throttling.write_circuits(connection, before, after, now)
