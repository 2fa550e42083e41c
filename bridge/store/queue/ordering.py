"""Lines of deliveries: of those of a route with one ordering key the head goes, the others are
`blocked` behind it.

Who comes into the table lines up by a trigger of the schema (migration 0004). Here is how the head
leaves and the next is promoted, by one look into an index, however long the line is. That there is
one head is held by a unique index.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    ColumnElement,
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
from bridge.store.db.advisory_locks import alone_with_keys
from bridge.store.tables.schema import delivery

OrderKey = tuple[str, str]  # route, ordering key
MAX_REPAIRED_KEYS = 200  # lines that are looked at in one go

_next = delivery.alias("next")
# Written out, since an index on some rows is only used where its very condition stands in the
# statement.
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


def key_of(one: Delivery) -> list[OrderKey]:
    """Return the line of a delivery, none for one that stands in none."""
    return [] if one.order is None else [(one.route, one.order.key)]


def lock_keys_of(connection: Connection, these: ColumnElement[bool]) -> None:
    """Let nobody else change the lines in which these deliveries stand until the end of the
    transaction.

    Who is about to move several takes the locks first, in the order in which everybody takes them.
    """
    keys = select(delivery.c.route, delivery.c.order_key).where(
        these, delivery.c.order_key.isnot(None)
    )
    alone_with_keys(connection, [(row.route, row.order_key) for row in connection.execute(keys)])


def leave_queue(connection: Connection, ended: Iterable[Delivery], now: float) -> None:
    """Let the next in line go for each of these that is the head of its line."""
    heads = [one for one in ended if one.order is not None]
    if not heads:
        return
    alone_with_keys(connection, [key for one in heads for key in key_of(one)])
    for one in heads:
        if connection.execute(_LEAVE, {"of": one.id}).rowcount:
            promote(connection, key_of(one)[0], now)


def promote(connection: Connection, key: OrderKey, now: float) -> None:
    """Make the first of those that wait the head; a parked one is dead from then on, and holds the
    key.
    """
    connection.execute(_PROMOTE, {"of_route": key[0], "of_key": key[1], "now": now})


def join_queue(connection: Connection, one: Delivery) -> Status:
    """Return what a delivery becomes that goes back to the queue: `queued`, as the head of its
    line, or `blocked` behind it.
    """
    if one.order is None or one.holds_key:
        return Status.QUEUED
    alone_with_keys(connection, key_of(one))
    mine = (delivery.c.route == one.route) & (delivery.c.order_key == one.order.key)
    taken = connection.execute(select(exists().where(text("delivery.holds_key"), mine))).scalar()
    return Status.BLOCKED if taken else Status.QUEUED


def headless(connection: Connection) -> list[OrderKey]:
    """Return lines that have no head. There are none, unless somebody wrote to the database by
    hand.
    """
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


def mend(connection: Connection, now: float) -> list[OrderKey]:
    """Promote in lines that have no head, and return them."""
    keys = headless(connection)
    alone_with_keys(connection, keys)
    for key in keys:
        promote(connection, key, now)
    return keys
