"""Ordering keys: of a route's deliveries with one key the head is sent, the others are `blocked`.

A trigger of the schema (migration 0022) queues new deliveries. This module releases the head and
promotes the next by one index lookup, however many wait. A unique index ensures a single head.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    exists,
    func,
    select,
    text,
    update,
)

from bridge.core.model import DeadKind, Delivery, Status
from bridge.store.db.advisory_locks import take_key_locks
from bridge.store.tables.schema import delivery

OrderKey = tuple[str, str]  # route, ordering key
MAX_REPAIRED_KEYS = 200  # ordering keys repaired in one transaction

_next = delivery.alias("next")
# Literal SQL: a partial index is used only where its exact condition is in the statement.
_NEXT = select(func.min(_next.c.seq)).where(
    text("next.status = 'blocked'"),
    _next.c.route == bindparam("of_route"),
    _next.c.order_key == bindparam("of_key"),
)
_LEAVE = (
    update(delivery)
    .where(delivery.c.id == bindparam("of"), delivery.c.holds_key)
    .values(holds_key=False)
)
_parked = delivery.c.dead_kind == DeadKind.OURS.value
_PROMOTE = (
    update(delivery)
    .where(delivery.c.seq == _NEXT.scalar_subquery(), text("status = 'blocked'"))
    .values(
        holds_key=True,
        status=case((_parked, Status.DEAD.value), else_=Status.QUEUED.value),
        due_at=case(
            (_parked, delivery.c.due_at),
            (delivery.c.due_at < bindparam("now"), bindparam("now")),
            else_=delivery.c.due_at,
        ),
    )
)


def key_of(owner: Delivery) -> list[OrderKey]:
    """Return the route and ordering key of a delivery, nothing for one without a key."""
    return [] if owner.order is None else [(owner.route, owner.order.key)]


def leave_queue(connection: Connection, ended: Iterable[Delivery], now: float) -> None:
    """Promote the next delivery for each of these that is the head of its ordering key."""
    heads = [candidate for candidate in ended if candidate.order is not None]
    if not heads:
        return
    take_key_locks(connection, [key for owner in heads for key in key_of(owner)])
    for head in heads:
        if connection.execute(_LEAVE, {"of": head.id}).rowcount:
            promote(connection, key_of(head)[0], now)


def promote(connection: Connection, key: OrderKey, now: float) -> None:
    """Make the first blocked delivery the head; one that routing rejected becomes dead, and holds
    the key.
    """
    connection.execute(_PROMOTE, {"of_route": key[0], "of_key": key[1], "now": now})


def join_queue(connection: Connection, returned: Delivery) -> Status:
    """Return the status of a delivery that goes back: `queued` as the head, else `blocked`."""
    if returned.order is None or returned.holds_key:
        return Status.QUEUED
    take_key_locks(connection, key_of(returned))
    mine = (delivery.c.route == returned.route) & (delivery.c.order_key == returned.order.key)
    taken = connection.execute(select(exists().where(text("delivery.holds_key"), mine))).scalar()
    return Status.BLOCKED if taken else Status.QUEUED


def find_headless(connection: Connection) -> list[OrderKey]:
    """Return ordering keys without a head; only a change by hand in the database makes one."""
    rest = delivery.alias("rest")
    headed = exists().where(
        text("rest.holds_key"),
        rest.c.route == delivery.c.route,
        rest.c.order_key == delivery.c.order_key,
    )
    waiting = select(delivery.c.route, delivery.c.order_key).where(
        text("delivery.status = 'blocked'")
    )
    return [
        (row.route, row.order_key)
        for row in connection.execute(waiting.where(~headed).distinct().limit(MAX_REPAIRED_KEYS))
    ]


def repair_queues(connection: Connection, now: float) -> list[OrderKey]:
    """Promote a head for each ordering key without one, and return these keys."""
    keys = find_headless(connection)
    take_key_locks(connection, keys)
    for key in keys:
        promote(connection, key, now)
    return keys
