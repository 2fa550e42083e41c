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
    if not before and all(each.outcome.kind is OutcomeKind.STARTED for each in settled):
        return
    take_lock(connection, Lock.COUNT_SLOTS)
    before = throttling.read_circuits(connection)
    lost = {one.platform for one in reaped}
    after: dict[str, Circuit | None] = {
        name: replace(known, probe_until=None) if name in lost else known
        for name, known in before.items()
    }
    for platform in {each.claim.delivery.platform for each in settled}:
        used = connection.execute(_USED, {"platform": platform}).scalar() or 0
        known = after.get(platform)
        for each in settled:
            if each.claim.delivery.platform == platform:
                known = record_outcome(
                    known, platform, each.outcome, used, now, jitter, timings_of(connection)
                )
        known = drop_if_closed(known, caps.get(platform, 0))
        if known is not None or platform in before:
            after[platform] = known
    throttling.write_circuits(connection, before, after, now)
