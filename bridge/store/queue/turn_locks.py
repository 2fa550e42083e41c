"""The locks of a worker's turn: all taken at its start in one order, so that turns cannot deadlock.

The order is that of `bridge.store.inbound.lock_order`: ordering keys, deliveries, local runs, slot
counts (with rate limit state). SQLite has one writer and needs no locks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select, text

from bridge.core.model import Delivery
from bridge.store.db.advisory_locks import Lock, take_key_locks, take_lock
from bridge.store.db.prepared import InJsonList, PreparedStatement, to_json_list
from bridge.store.queue import ordering
from bridge.store.tables.schema import delivery, local_run

_DELIVERIES = PreparedStatement(
    select(delivery.c.id)
    .where(InJsonList(delivery.c.id, "ids"))
    .order_by(delivery.c.id)
    .with_for_update()
)
_EXPIRED = text(
    "SELECT id, route, order_key FROM delivery WHERE status = 'sending' AND lease_until < :now"
)
_RUNS = (
    select(local_run.c.id)
    .where(text("state IN ('QUEUED', 'RUNNING', 'TERMINATING') AND lease = :lease"))
    .order_by(local_run.c.id)
    .with_for_update()
)


def lock(
    connection: Connection,
    deliveries: Iterable[Delivery],
    ids: Collection[str] = (),
    *,
    counts_slots: bool = False,
) -> None:
    """Lock the ordering keys of these deliveries, and the rows that the turn changes.

    `ids`: rows that it changes apart from the ended attempts among `deliveries`. Without any, the
    statement that reads the attempts' deliveries locks them, if no lock comes in between.
    `counts_slots`: the turn returns starts of routes, which one transaction does at a time.
    """
    if connection.dialect.name == "sqlite":
        return
    all_deliveries = list(deliveries)
    take_key_locks(connection, [key for ended in all_deliveries for key in ordering.key_of(ended)])
    if ids or counts_slots:
        _lock_rows(
            connection, {*ids, *(ended.id for ended in all_deliveries)}, counts_slots=counts_slots
        )
    if counts_slots:
        take_lock(connection, Lock.COUNT_SLOTS)


def lock_all(
    connection: Connection,
    deliveries: Iterable[Delivery],
    ids: Collection[str],
    lease: str,
    now: float,
    *,
    counts_slots: bool,
) -> None:
    """Lock as `lock` does, and also expired deliveries and runs under `lease`, for a heartbeat."""
    if connection.dialect.name == "sqlite":
        return
    all_deliveries = list(deliveries)
    expired = connection.execute(_EXPIRED, {"now": now}).all()
    keys = [(row.route, row.order_key) for row in expired if row.order_key is not None]
    take_key_locks(
        connection, [*keys, *(key for ended in all_deliveries for key in ordering.key_of(ended))]
    )
    counts_slots = counts_slots or bool(expired)
    # do not wait for expired rows: another worker may take them over
    _lock_rows(
        connection, {*ids, *(ended.id for ended in all_deliveries)}, counts_slots=counts_slots
    )
    connection.execute(_RUNS, {"lease": lease}).all()
    if counts_slots:
        take_lock(connection, Lock.COUNT_SLOTS)


def _lock_rows(connection: Connection, ids: Collection[str], *, counts_slots: bool) -> None:
    # one is locked by the statement that changes it, unless that comes after slot counts
    if len(ids) > 1 or (ids and counts_slots):
        _DELIVERIES.rows(connection, ids=to_json_list(sorted(ids)))
