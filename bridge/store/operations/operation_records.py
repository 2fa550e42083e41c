"""Reads operations and their items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, select

from bridge.core.operations import OPEN_ITEMS, Operation, OperationStep, StepOutcome
from bridge.core.units import iso
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import find_row
from bridge.store.db.row_walk import RowWalk, read_chunks
from bridge.store.encryption import Sealer
from bridge.store.tables.rows import from_json
from bridge.store.tables.schema import act, act_item

PAGE_ITEMS: Final = 500  # items written or read in one transaction


def find(database: Database, text: str) -> Operation:
    """Return the operation with this id or unique prefix of an id; `NotFound` otherwise."""
    return to_operation(
        find_row(
            database,
            act,
            text,
            f"no operation has the id {text!r}; flowbridge operations lists them",
        ),
        database.sealer,
    )


def list_operations(
    database: Database, *, since: float | None = None, unfinished: bool = False, limit: int = 0
) -> Iterator[Operation]:
    """Yield operations, newest first; `limit` 0 is no limit."""
    walk = operation_walk(since=since, unfinished=unfinished)
    for chunk in read_chunks(database, walk, limit=limit):
        yield from (to_operation(row, database.sealer) for row in chunk.rows)


def operation_walk(*, since: float | None = None, unfinished: bool = False) -> RowWalk:
    """Return the walk over operations, newest first; `unfinished`: only those with items left."""
    return RowWalk(
        table=act,
        query=select(act),
        age=act.c.created_at,
        conditions=[] if since is None else [act.c.created_at >= since],
        indexed=[act.c.finished_at.is_(None)] if unfinished else (),
    )


def list_items(
    database: Database,
    operation: Operation,
    *,
    outcome: str | None = None,
    after: int = 0,
    limit: int = 0,
) -> Iterator[OperationStep]:
    """Yield an operation's items in order: all, or those with this outcome.

    `outcome`: `done`, `refused`, or `open` for those that are not processed yet. The items begin
    behind the number `after`. `limit` 0 is no limit.
    """
    query = select(act_item).where(act_item.c.act == operation.seq).order_by(act_item.c.number)
    if outcome == OPEN_ITEMS:
        query = query.where(act_item.c.outcome.is_(None))
    elif outcome is not None:
        query = query.where(act_item.c.outcome == StepOutcome(outcome))
    last = after
    left = limit or None
    while left is None or left > 0:
        size = PAGE_ITEMS if left is None else min(PAGE_ITEMS, left)
        with database.read() as connection:
            rows = connection.execute(query.where(act_item.c.number > last).limit(size)).all()
        yield from map(_to_item, rows)
        if len(rows) < size:
            return
        last = rows[-1].number
        left = None if left is None else left - len(rows)


def operations_on(
    database: Database, ids: Sequence[str], limit: int = 50
) -> list[tuple[Operation, OperationStep]]:
    """Return the newest `limit` operations on these events and deliveries, oldest first."""
    query = (
        select(act, *(column.label(f"item_{column.name}") for column in act_item.c))
        .join(act_item, act_item.c.act == act.c.seq)
        .where(act_item.c.item_id.in_(ids), act_item.c.outcome.isnot(None))
        .order_by(act_item.c.at.desc(), act.c.seq.desc())
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [(to_operation(row, database.sealer), _to_item(row, "item_")) for row in reversed(rows)]


def find_by_key(database: Database, token: str, key: str) -> Operation | None:
    """Return the operation that a token began with an `Idempotency-Key`, null where none did."""
    query = select(act).where(
        act.c.token == token, act.c.request_key == key, act.c.request_key.is_not(None)
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else to_operation(row, database.sealer)


def get(database: Database, seq: int) -> Operation:
    """Return the operation with this number."""
    with database.read() as connection:
        return to_operation(
            connection.execute(select(act).where(act.c.seq == seq)).one(), database.sealer
        )


def to_operation(row: Row[Any], sealer: Sealer) -> Operation:
    """Return the operation of a row of the table `act`."""
    values = {column.name: row._mapping[column.name] for column in act.c}
    request = from_json(sealer.open(values.pop("asked"), "act", "asked", row.id))
    count = values.pop("chosen")
    resumed = tuple((actor, at) for actor, at in from_json(values["resumed"]) or ())
    return Operation(
        **values
        | {
            "request": _read_request(row.command, request, count),
            "count": count,
            "last_progress_at": values.pop("worked_at"),
            "resumed": resumed,
            "counted": from_json(sealer.open(values["counted"], "act", "counted", row.id)),
        }
    )


def _read_request(command: str, stored: Mapping[str, Any], count: int | None) -> dict[str, Any]:
    """Return the request of an operation as `POST /operations` takes it.

    Versions before 0.3.0 stored options beside the filters, times as numbers, and of many ids the
    first ones alone.
    """
    if "how" in stored:
        return dict(stored)
    how = dict(stored)
    ids = how.pop("names", ())
    filters = {
        name: iso(value) if isinstance(value, float) else value
        for name, value in how.pop("filters", {}).items()
    }
    request = {
        "ids": ids if len(ids) == count else None,
        "filters": filters,
        "list": how.pop("list", None),
        "limit": how.pop("limit", None),
    }
    stated = {name: value for name, value in request.items() if value}
    return {"command": command, **stated, "how": how}


def _to_item(row: Row[Any], prefix: str = "") -> OperationStep:
    values = {column.name: row._mapping[prefix + column.name] for column in act_item.c}
    outcome = None if values["outcome"] is None else StepOutcome(values["outcome"])
    return OperationStep(
        **values | {"outcome": outcome, "made": tuple(from_json(values["made"]) or ())}
    )
