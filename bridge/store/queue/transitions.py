"""Transitions of a delivery outside its attempts: by hand, and back to the queue."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from bridge.core.errors import IllegalTransition
from bridge.core.model import TRANSITIONS, DeadKind, Delivery, RunState, Status
from bridge.store.queue import ordering
from bridge.store.queue.ledger import releases_next
from bridge.store.queue.replaced_runs import requeued_values, store_replaced_run
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import attempt, delivery


def move(
    connection: Connection,
    delivery_id: str,
    to: Status,
    now: float,
    *,
    reason: str | None = None,
    run_id: str | None = None,
) -> Delivery:
    """Move a delivery by hand (retry, cancel, resolve) and return it as it was.

    A delivery that goes to `queued` joins the queue of its ordering key again. Raises
    `IllegalTransition` for a transition that is not allowed.
    """
    row = connection.execute(
        select(delivery).where(delivery.c.id == delivery_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise IllegalTransition(f"no delivery has the id {delivery_id}")
    stored = to_delivery(row, sealer_of(connection))
    _must_be_movable(stored, to)
    goes_to = ordering.join_queue(connection, stored) if to is Status.QUEUED else to
    values = _moved_values(stored, goes_to, now, reason, run_id)
    changed = connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.status == stored.status)
        .values(status=goes_to, **values)
    )
    if changed.rowcount != 1:
        raise IllegalTransition(f"{delivery_id} changed meanwhile: check it and try again")
    if to is Status.QUEUED:
        store_replaced_run(connection, stored)
    seen_to = (attempt.c.delivery_id == delivery_id) & attempt.c.late_at.isnot(None)
    connection.execute(update(attempt).where(seen_to).values(late_at=None))
    if releases_next(stored, goes_to, followed=bool(run_id)):
        ordering.leave_queue(connection, [stored], now)
    return stored


def _must_be_movable(stored: Delivery, to: Status) -> None:
    """Raise `IllegalTransition`, with the reason, where a move by hand is not allowed."""
    under_way = stored.status is Status.SENDING
    if to not in TRANSITIONS[stored.status] or under_way:
        allowed = (
            "no status while its call is under way"
            if under_way
            else ", ".join(sorted(TRANSITIONS[stored.status])) or "no status"
        )
        raise IllegalTransition(
            f"{stored.id} is {stored.status}: it can move to {allowed}, not to {to}"
        )
    if to is not Status.QUEUED:
        return
    if stored.dead_kind is DeadKind.OURS:
        raise IllegalTransition(
            f"{stored.id} was rejected by routing ({stored.reason}): fix the route, then replay"
            f" {stored.event_id}"
        )
    if stored.unsealable is not None:
        raise IllegalTransition(f"{stored.id} cannot be sent: {stored.unsealable}")
    if stored.inputs is None:
        raise IllegalTransition(
            f"{stored.id} cannot be sent again: the `retention` of its source has deleted its"
            " inputs"
        )


def _moved_values(
    stored: Delivery, to: Status, now: float, reason: str | None, run_id: str | None
) -> dict[str, Any]:
    """Return the new values of a delivery that is moved by hand, without its status.

    A delivery that routing rejected keeps its kind of death.
    """
    parked = stored.dead_kind is DeadKind.OURS
    dead_kind = DeadKind.OURS if parked else DeadKind.PERSON if to is Status.DEAD else None
    values: dict[str, Any] = {"slot": False, "lease": None, "lease_until": None, "poll_at": None}
    values["dead_kind"] = dead_kind and dead_kind.value
    values["reason"] = ": ".join(filter(None, (reason, stored.reason))) if parked else reason
    if to in (Status.QUEUED, Status.BLOCKED):
        values |= requeued_values(stored, now) | {
            "retry_attempts": stored.attempts + stored.retry.attempts
        }
        values["holds_key"] = to is Status.QUEUED and stored.order is not None
    elif to is Status.DELIVERED:
        values |= {
            "delivered_at": now,
            "run_id": run_id,
            "run_state": RunState.QUEUED if run_id else None,
            "slot": bool(run_id),
        }
        values |= {"poll_at": now} if run_id else {"finished_at": now}
    else:
        values |= {"finished_at": now, "debounce_until": None}
    return values
