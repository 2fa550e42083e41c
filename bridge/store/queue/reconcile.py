"""Resolve starts without an answer by a search in the platform's list of runs.

Every step is a compare-and-set on the status `unknown` and the number of the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, select, update

from bridge.core.model import DeadKind, RunState, Status
from bridge.core.rate_limits import day_of
from bridge.core.status import OutcomeKind, RunReport
from bridge.core.text import pluralize
from bridge.delivery.reconcile import Evidence, Look, ReconcileVerdict
from bridge.delivery.reconcile_verdict import judge_look
from bridge.store.db.advisory_locks import FLOW_SEED, take_key_locks
from bridge.store.db.database import timings_of
from bridge.store.queue import ledger, ordering, run_tracking, throttling
from bridge.store.queue.unknown_starts import (
    UnknownStart,
    find_rivals,
    find_run_owners,
    read_unknown_start,
)
from bridge.store.tables.encrypted import encrypt_row, row_name, sealer_of
from bridge.store.tables.rows import to_delivery, to_json
from bridge.store.tables.schema import attempt, delivery

RUN_NOT_FOUND = "no run found afterwards"
RUN_FOUND = "its run was found"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAnswers:
    """The result of a search: `reports` of the candidates by run id.

    `exclusive`: only flowbridge starts the flow. `next_look`: seconds until the next poll of an
    adopted run.
    """

    look: Look
    reports: Mapping[str, RunReport]
    exclusive: bool
    next_look: float


def resolve(
    connection: Connection,
    searched: UnknownStart,
    answers: PollAnswers,
    now: float,
    *,
    jitter: float,
) -> tuple[Evidence, Status] | None:
    """Decide by the result of a search, store the evidence, and return it with the new status.

    Null where the delivery is no longer unknown, or has another attempt.
    """
    # lock order: keys, then deliveries
    take_key_locks(
        connection, [(searched.delivery.platform, searched.delivery.saved_item_id)], FLOW_SEED
    )
    take_key_locks(connection, ordering.key_of(searched.delivery))
    start = read_unknown_start(connection, searched.delivery.id, lock=True)
    if start is None or start.attempt != searched.attempt:
        return None
    # In this order: a call that ends in between is still open in the first query, or its run is in
    # the second.
    others = find_rivals(connection, start, answers.look) if answers.look.candidates else ()
    taken = find_run_owners(connection, [candidate.run_id for candidate in answers.look.candidates])
    look = replace(
        answers.look,
        rivals=others,
        candidates=tuple(
            candidate for candidate in answers.look.candidates if candidate.run_id not in taken
        ),
    )
    evidence = judge_look(
        start.delivery,
        start.attempt,
        start.began_at,
        look,
        start.before,
        exclusive=answers.exclusive,
        timings=timings_of(connection),
    )
    status = _APPLY[evidence.decision.verdict](connection, start, evidence, answers, now, jitter)
    return (evidence, status) if status else None


def postpone(connection: Connection, start: UnknownStart, until: float) -> None:
    """Postpone the next search."""
    _change(connection, start, {"poll_at": until})


def _change(connection: Connection, start: UnknownStart, values: dict[str, Any]) -> bool:
    values = encrypt_row(sealer_of(connection), "delivery", start.delivery.id, values)
    number = delivery.c.attempts + delivery.c.throttled
    still = (
        (delivery.c.id == start.delivery.id)
        & (delivery.c.status == Status.UNKNOWN.value)
        & (number == start.attempt)
    )
    return connection.execute(update(delivery).where(still).values(values)).rowcount == 1


def _looked(evidence: Evidence, **values: object) -> dict[str, Any]:
    return {
        "evidence": to_json(evidence.as_json()),
        "poll_at": None,
        "polls": delivery.c.polls + 1,
        **values,
    }


def _settle_attempt(
    connection: Connection,
    start: UnknownStart,
    outcome: OutcomeKind,
    note: str,
    run_id: str | None = None,
) -> None:
    """Store the outcome of the attempt, which is known now."""
    mine = (attempt.c.delivery_id == start.delivery.id) & (attempt.c.number == start.attempt)
    kept = connection.execute(select(attempt.c.detail).where(mine).with_for_update()).scalar()
    place = "attempt", "detail", row_name(start.delivery.id, start.attempt)
    sealer = sealer_of(connection)
    said = "; ".join(filter(None, (sealer.open(kept, *place), note)))
    connection.execute(
        update(attempt)
        .where(mine)
        .values(outcome=outcome.value, run_id=run_id, detail=sealer.seal(said, *place))
    )


def _poll_again(
    connection: Connection,
    start: UnknownStart,
    evidence: Evidence,
    _: PollAnswers,
    now: float,
    __: float,
) -> Status | None:
    values = _looked(evidence, poll_at=now + (evidence.decision.wait or 0.0))
    return Status.UNKNOWN if _change(connection, start, values) else None


def _hold(
    connection: Connection, start: UnknownStart, evidence: Evidence, *_: object
) -> Status | None:
    return (
        Status.UNKNOWN
        if _change(connection, start, _looked(evidence, reason=evidence.decision.why))
        else None
    )


def _queue(
    connection: Connection,
    start: UnknownStart,
    evidence: Evidence,
    _: PollAnswers,
    now: float,
    __: float,
) -> Status | None:
    """Queue the delivery again: its attempt created no run. Dead if it has no attempts left."""
    unresolved = start.delivery
    is_over = unresolved.attempts >= unresolved.retry.attempts
    said = f"{unresolved.reason}; " if unresolved.reason else ""
    values: dict[str, Any] = {
        "status": Status.QUEUED.value,
        "due_at": now,
        "reason": f"{said}{RUN_NOT_FOUND}: sent again",
    }
    if is_over:
        values = {
            "status": Status.DEAD.value,
            "reason": f"gave up after {pluralize(unresolved.attempts, 'attempt')}:"
            f" {said}{RUN_NOT_FOUND}",
            "dead_kind": DeadKind.PLATFORM.value,
            "finished_at": now,
        }
    if not _change(connection, start, _looked(evidence, **values)):
        return None
    _settle_attempt(connection, start, OutcomeKind.REFUSED, RUN_NOT_FOUND)
    status = Status.DEAD if is_over else Status.QUEUED
    if ledger.releases_next(unresolved, status, followed=False):
        ordering.leave_queue(connection, [unresolved], now)
    throttling.return_starts(connection, unresolved.route, day_of(start.began_at))
    return status


def _adopt(
    connection: Connection,
    start: UnknownStart,
    evidence: Evidence,
    answers: PollAnswers,
    now: float,
    jitter: float,
) -> Status | None:
    """Adopt the run, and store its state: it may have ended already."""
    unresolved = start.delivery
    run_id = evidence.decision.run_id or ""
    report = answers.reports.get(run_id, RunReport(state=None))
    values = _looked(
        evidence,
        status=Status.DELIVERED.value,
        reason=None,
        run_id=run_id,
        run_state=RunState.QUEUED.value,
        slot=True,
        polls=0,
        delivered_at=min(now, report.created_at or now),
        poll_at=now + answers.next_look,
    )
    if not _change(connection, start, values):
        return None
    _settle_attempt(connection, start, OutcomeKind.STARTED, RUN_FOUND, run_id)
    if ledger.releases_next(unresolved, Status.DELIVERED, followed=True):
        ordering.leave_queue(connection, [unresolved], now)
    adopted = to_delivery(
        connection.execute(select(delivery).where(delivery.c.id == unresolved.id)).one(),
        sealer_of(connection),
    )
    run_tracking.record_run(
        connection, adopted, report, now, next_poll=answers.next_look, jitter=jitter
    )
    return Status(
        connection.execute(select(delivery.c.status).where(delivery.c.id == unresolved.id)).scalar()
        or Status.DELIVERED
    )


_Apply = Callable[[Connection, UnknownStart, Evidence, PollAnswers, float, float], Status | None]
_APPLY: Final[Mapping[ReconcileVerdict, _Apply]] = {
    ReconcileVerdict.ADOPT: _adopt,
    ReconcileVerdict.AGAIN: _poll_again,
    ReconcileVerdict.HOLD: _hold,
    ReconcileVerdict.QUEUE: _queue,
}
