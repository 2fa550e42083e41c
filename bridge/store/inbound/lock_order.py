"""The locks of a transaction that changes stored events, deliveries, runs or rejects.

Every transaction on PostgreSQL takes its locks in this order, so that no two deadlock. It may leave
out any of them:

1. the items of an operation, by number (`operations.log`), then the flow whose run is looked for
   (`queue.reconcile`) or named (`operations.actions`)
2. events, by id
3. ordering keys, then debounce keys, by name
4. deliveries, by id
5. local runs, by id
6. rejects, by id
7. slot counts, with rate limit state (`queue.turn_locks`)

A key is also the lock of the delivery that is found by it: the next one of an ordering queue, or
the one that a new delivery replaces. New rows are inserted under their keys. SQLite has one writer
and needs no locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Table, or_, select

from bridge.core.model import Delivery
from bridge.store.db.advisory_locks import DEBOUNCE_KEY_SEED, ORDER_KEY_SEED, take_key_locks
from bridge.store.tables.schema import delivery, event, local_run, reject

Ids = Sequence[str]


def lock(
    connection: Connection,
    *,
    events: Ids = (),
    planned: Iterable[Delivery] = (),
    moved: ColumnElement[bool] | None = None,
    unmoved: ColumnElement[bool] | None = None,
    runs: Ids = (),
    rejects: Ids = (),
) -> None:
    """Take the locks of a transaction until its end. Call it once, before the first change.

    `planned`: deliveries that are inserted; `moved`: stored ones that change their status, which
    are locked with their keys; `unmoved`: stored ones that are only read, or deleted.
    """
    if connection.dialect.name == "sqlite":
        return
    _lock_ids(connection, event, events)
    keys = keys_of(planned)
    if moved is not None:
        _add_stored_keys(connection, keys, moved)
    for seed, pairs in keys.items():
        take_key_locks(connection, pairs, seed)
    deliveries = [these for these in (moved, unmoved) if these is not None]
    if deliveries:
        _lock_rows(connection, delivery, or_(*deliveries))
    _lock_ids(connection, local_run, runs)
    _lock_ids(connection, reject, rejects)


def keys_of(planned: Iterable[Delivery]) -> dict[int, list[tuple[str, str]]]:
    """Return the (route, key) pairs of deliveries by the seed of their locks, in the order of
    locking.
    """
    order: list[tuple[str, str]] = []
    debounce: list[tuple[str, str]] = []
    for planned_delivery in planned:
        if planned_delivery.order:
            order.append((planned_delivery.route, planned_delivery.order.key))
        if planned_delivery.debounce:
            debounce.append((planned_delivery.route, planned_delivery.debounce.key))
    return {ORDER_KEY_SEED: order, DEBOUNCE_KEY_SEED: debounce}


def _add_stored_keys(
    connection: Connection, keys: dict[int, list[tuple[str, str]]], moved: ColumnElement[bool]
) -> None:
    columns = delivery.c
    # a delivery that no later one can replace any more has no `debounce_until`
    has_key = columns.order_key.is_not(None) | columns.debounce_until.is_not(None)
    query = select(
        columns.route, columns.order_key, columns.debounce_key, columns.debounce_until
    ).where(moved, has_key)
    for row in connection.execute(query):
        if row.order_key is not None:
            keys[ORDER_KEY_SEED].append((row.route, row.order_key))
        if row.debounce_until is not None:
            keys[DEBOUNCE_KEY_SEED].append((row.route, row.debounce_key))


def _lock_ids(connection: Connection, table: Table, ids: Ids) -> None:
    if ids:
        _lock_rows(connection, table, table.c.id.in_(ids))


def _lock_rows(connection: Connection, table: Table, these: ColumnElement[bool]) -> None:
    locked = select(table.c.id).where(these).order_by(table.c.id).with_for_update()
    connection.execute(locked).all()
