"""The delivery ledger: results of attempts. Each step is a compare-and-set on status and lease.

All functions take a connection inside `Database.write`, so that a worker's turn (ended calls, new
claims) is one durable commit. An attempt's intent is a row of `attempt` without an outcome, written
in the commit that leases the delivery: it is on disk before the first byte leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Float, bindparam, func, null, select, text, update

from bridge.core.model import DeadKind, Delivery, RunState, Status
from bridge.core.rate_limits import day_of
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.retry import RetryDecision, decide_after_attempt
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.store.db.prepared import InJsonList, PreparedStatement, send_together, to_json_list
from bridge.store.encryption import Sealer
from bridge.store.queue import ordering, throttling
from bridge.store.queue.claim_round import Claim
from bridge.store.queue.leases import return_claims
from bridge.store.tables.encrypted import encrypt_row, row_name, sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import attempt, delivery

_COMPLETE = PreparedStatement(
    update(attempt)
    .where(InJsonList(attempt.c.delivery_id, "ids"), attempt.c.number == bindparam("as"))
    .values(
        {
            name: bindparam(name)
            for name in ("finished_at", "outcome", "status_code", "detail", "run_id")
        }
    )
)
_LATE = PreparedStatement(
    update(attempt)
    .where(
        attempt.c.delivery_id == bindparam("of"),
        attempt.c.number == bindparam("as"),
        attempt.c.run_state.is_(None),
    )
    .values(late_at=bindparam("late_at"))
)
_HELD = PreparedStatement(
    select(
        delivery.c.id,
        delivery.c.status,
        delivery.c.lease,
        delivery.c.run_id,
        (delivery.c.attempts + delivery.c.throttled).label("made"),
    )
    .where(InJsonList(delivery.c.id, "ids"))
    .order_by(delivery.c.id)
    .with_for_update()
)
_SETTLE = PreparedStatement(
    update(delivery)
    .where(InJsonList(delivery.c.id, "ids"))
    .values(
        {
            **{
                name: bindparam(name)
                for name in (
                    "status",
                    "reason",
                    "dead_kind",
                    "delivered_at",
                    "finished_at",
                    "run_id",
                    "run_url",
                    "run_state",
                    "slot",
                    "poll_at",
                )
            },
            "due_at": func.coalesce(bindparam("due_at", type_=Float), delivery.c.due_at),
            "attempts": delivery.c.attempts + bindparam("spent"),
            "throttled": delivery.c.throttled + bindparam("unspent"),
            "lease": null(),
            "lease_until": null(),
            "polls": text("0"),
        }
    )
)
NO_RUN_KINDS = (
    OutcomeKind.REFUSED,
    OutcomeKind.THROTTLED,
    OutcomeKind.UNAUTHORIZED,
    OutcomeKind.REJECTED,
)


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that has ended.

    `first_poll`: seconds until the first poll of its run, None for a platform without runs.
    `look_at`: when to search for the run of a start without an answer, None for no search.
    """

    claim: Claim
    outcome: Outcome
    first_poll: float | None = None
    look_at: float | None = None


def record_attempts(
    connection: Connection, settled: Sequence[EndedAttempt], now: float, *, jitter: float
) -> list[Status | None]:
    """Store the outcomes of attempts, and move their deliveries; return the new statuses.

    The status is None where the lease was lost meanwhile. The attempt gets its outcome anyway, and
    a successful start resolves a delivery that is still `unknown` by that attempt. If there was
    another attempt since, or the delivery has moved on, flowbridge does not poll the run, and the
    attempt records that in `late_at`.
    """
    if not settled:
        return []
    ids = to_json_list(ended.claim.delivery.id for ended in settled)
    rows_by_id = {row.id: row for row in _HELD.rows(connection, ids=ids)}
    changes = _Changes()
    for ended_attempt in settled:
        delivery_row = rows_by_id.get(ended_attempt.claim.delivery.id)
        decision = decide_after_attempt(
            ended_attempt.claim.delivery, ended_attempt.outcome, now, jitter
        )
        changes.add(ended_attempt, delivery_row, decision, now)
    changes.store(connection, settled, now)
    return changes.statuses


@dataclass(slots=True)
class _Changes:
    """The changes of the store by the outcomes of attempts.

    `statuses`: by attempt, None where the lease was lost. `moved`: ids of deliveries, each with the
    parameters of `_SETTLE`. `released`: deliveries that the next one of their ordering key no
    longer waits for. `late`: parameters of `_LATE`. `unused`: starts, as route and day, that
    started nothing.
    """

    statuses: list[Status | None] = field(default_factory=list)
    moved: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    released: list[Delivery] = field(default_factory=list)
    late: list[dict[str, Any]] = field(default_factory=list)
    unused: list[tuple[str, int]] = field(default_factory=list)

    def add(self, ended: EndedAttempt, row: Any, decision: RetryDecision, now: float) -> None:
        """Add an attempt. `row`: the row of its delivery, None if it was deleted."""
        claim = ended.claim
        sent = claim.delivery
        mine = row is not None and row.status == Status.SENDING and row.lease == claim.lease
        late = row is not None and _is_settled_late(row, ended)
        self.statuses.append(decision.status if mine or late else None)
        if mine or late:
            values = _delivery_values(ended, decision, now, spent=mine)
            self.moved.append((sent.id, values))
            if releases_next(sent, decision.status, followed=values["slot"]):
                self.released.append(sent)
        elif ended.outcome.run_id not in (None, row and row.run_id):
            self.late.append({"of": sent.id, "as": claim.attempt, "late_at": now})
        if mine and ended.outcome.kind in NO_RUN_KINDS:
            self.unused.append((sent.route, day_of(claim.began_at)))

    def store(self, connection: Connection, settled: Sequence[EndedAttempt], now: float) -> None:
        """Store the attempts, and these changes."""
        sealer = sealer_of(connection)
        with send_together(connection):
            _COMPLETE.change_alike(
                connection,
                [
                    (ended.claim.delivery.id, _attempt_values(ended, now, sealer))
                    for ended in settled
                ],
            )
            if self.late:
                _LATE.change_each(connection, self.late)
            _SETTLE.change_alike(connection, self.moved)
        ordering.leave_queue(connection, self.released, now)
        for route, day in self.unused:
            throttling.return_starts(connection, route, day)


def _is_settled_late(row: Any, ended: EndedAttempt) -> bool:
    """Return whether an answer resolves an `unknown` delivery: a start by its last attempt.

    A later attempt may have a run of its own.
    """
    return (
        row.status == Status.UNKNOWN
        and ended.outcome.kind is OutcomeKind.STARTED
        and row.made == ended.claim.attempt
    )


def _attempt_values(ended: EndedAttempt, now: float, sealer: Sealer) -> dict[str, Any]:
    outcome = ended.outcome
    delivery_id = ended.claim.delivery.id
    number = ended.claim.attempt
    values = {
        "as": number,
        "finished_at": now,
        "outcome": outcome.kind.value,
        "status_code": outcome.status_code,
        "detail": outcome.detail or None,
        "run_id": outcome.run_id,
    }
    return encrypt_row(sealer, "attempt", row_name(delivery_id, number), values)


def _delivery_values(
    ended: EndedAttempt, decision: RetryDecision, now: float, *, spent: bool
) -> dict[str, Any]:
    """Return the parameters of `_SETTLE`. `spent`: the attempt is not counted yet."""
    outcome = ended.outcome
    delivered = decision.status is Status.DELIVERED
    followed = delivered and ended.first_poll is not None
    look_at = ended.look_at if decision.status is Status.UNKNOWN and not outcome.held else None
    return {
        "status": decision.status.value,
        "reason": decision.reason,
        "dead_kind": DeadKind.PLATFORM.value if decision.status is Status.DEAD else None,
        "due_at": decision.due_at if decision.status is Status.QUEUED else None,  # as it is
        "delivered_at": now if delivered else None,
        "finished_at": (
            now if decision.status is Status.DEAD or (delivered and not followed) else None
        ),
        "run_id": outcome.run_id if delivered else None,
        "run_url": outcome.run_url if delivered else None,
        "run_state": RunState.QUEUED.value if followed else None,
        "slot": followed,
        "poll_at": now + (ended.first_poll or 0.0) if followed else look_at,
        "spent": int(spent and decision.spends),
        "unspent": int(spent and not decision.spends),
    }


def releases_next(owner: Delivery, status: Status, *, followed: bool) -> bool:
    """Return whether a status releases the ordering key. `followed`: the run is polled."""
    if owner.order is None:
        return False
    if status is Status.DELIVERED:
        return not followed or owner.order.until == "delivered"
    return status is Status.CANCELLED or (status is Status.DEAD and not owner.order.blocks)


def reap_expired(
    connection: Connection, now: float, jitter: float, look_at: Callable[[Claim], float | None]
) -> list[tuple[Claim, Status]]:
    """Take over deliveries whose lease expired.

    A delivery with an open attempt gets an unknown outcome; one without goes back to the queue.
    Returns the earlier claims, with attempt 0 where none had begun, and the new statuses. `look_at`
    returns when to search for the run of an attempt: see
    `EndedAttempt`.
    """
    expired = (
        select(delivery)
        .where(text("delivery.status = 'sending' AND delivery.lease_until < :now"))
        .with_for_update(skip_locked=True)
    )
    moved = []
    for row in connection.execute(expired, {"now": now}).all():
        taken = to_delivery(row, sealer_of(connection))
        is_open = (attempt.c.delivery_id == taken.id) & attempt.c.outcome.is_(None)
        begun = connection.execute(
            select(attempt).where(is_open).order_by(attempt.c.number.desc()).limit(1)
        ).one_or_none()
        if begun is None:
            moved.append((Claim(taken, 0, taken.lease or "", now), Status.QUEUED))
            return_claims(connection, [moved[-1][0]])
            continue
        claim = Claim(taken, begun.number, taken.lease or "", begun.started_at)
        lost = EndedAttempt(
            claim,
            WORKER_DIED,
            look_at=look_at(claim),
        )
        [status] = record_attempts(connection, [lost], now, jitter=jitter)
        moved.append((claim, status or taken.status))
    return moved
