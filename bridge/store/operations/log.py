"""Begins and advances operations, and logs the result of each item.

An operation can stop anywhere and resume. The change to an item and its result are one commit, so
an interrupted operation repeats no item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, and_, bindparam, case, exists, insert, select, update

from bridge.core.errors import StoreError
from bridge.core.model import JSON
from bridge.core.operations import WORKER, ClientRequest, Operation, StepOutcome
from bridge.store.db.database import Database
from bridge.store.db.upsert import dialect_insert
from bridge.store.operations.actions import ItemResult
from bridge.store.operations.operation_records import PAGE_ITEMS, find_by_key, get
from bridge.store.tables.encrypted import encrypt_row
from bridge.store.tables.rows import to_json
from bridge.store.tables.schema import act, act_item

T = TypeVar("T")
BATCH_ITEMS: Final = 50  # items processed in one transaction

_IS_STOPPED = exists().where(act.c.seq == bindparam("of"), act.c.stopped_at.is_not(None))
_OPEN = and_(act_item.c.act == bindparam("of"), act_item.c.outcome.is_(None), ~_IS_STOPPED)
_NEXT = (
    select(act_item.c.number, act_item.c.item_id)
    .where(_OPEN)
    .order_by(act_item.c.number)
    .limit(bindparam("most"))
)
_STILL = (
    select(act_item.c.number)
    .where(_OPEN, act_item.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(act_item.c.number)
    .with_for_update()
)
_MARK = (
    update(act_item)
    .where(act_item.c.act == bindparam("of"), act_item.c.number == bindparam("as"))
    .values(
        {name: bindparam(name) for name in ("outcome", "problem", "was", "became", "made", "at")}
    )
)


class OperationHandler(Protocol[T]):
    """The change that an operation makes to its items."""

    def prepare(self, database: Database, ids: Sequence[str], now: float, /) -> Sequence[T]:
        """Prepare the first of these items, at least one; slow work belongs here, outside the
        transaction.
        """

    def carry_out(
        self, connection: Connection, prepared: Sequence[T], now: float, /
    ) -> list[ItemResult]:
        """Change each item, and return its result."""


# -- begin


def begin(
    database: Database,
    act_id: str,
    *,
    command: str,
    actor: str,
    request: Mapping[str, JSON],
    ids: Sequence[str],
    now: float,
    client: ClientRequest | None = None,
) -> Operation:
    """Store an operation with the items that it selected, without processing any.

    Many items take several commits, and count when all are stored. A worker carries out an
    operation with a `client`; where an operation has that key already, it is returned instead.
    """
    values: dict[str, Any] = {
        "id": act_id,
        "command": command,
        "actor": actor,
        "created_at": now,
        "asked": to_json(dict(request)),
        **({} if client is None else _describe_client(client)),
    }
    if client is not None and client.proposed_until is None and not ids:
        values["finished_at"] = now
    values = encrypt_row(database.sealer, "act", act_id, values)
    seq = database.write(
        lambda connection: _begin(
            connection, values, ids[:PAGE_ITEMS], is_all=len(ids) <= PAGE_ITEMS
        )
    )
    if seq is None:
        return _get_rival(database, client)
    for at in range(PAGE_ITEMS, len(ids), PAGE_ITEMS):
        database.write(lambda connection, at=at: _add(connection, seq, ids, at))  # type: ignore[misc]  # mypy infers no lambda with defaults
    return get(database, seq)


def _describe_client(client: ClientRequest) -> dict[str, Any]:
    return {
        "driver": WORKER,
        "token": client.token,
        "request_key": client.key,
        "request_digest": client.digest,
        "proposed_until": client.proposed_until,
        "counted": to_json(dict(client.counted)),
    }


def _begin(
    connection: Connection, values: Mapping[str, Any], ids: Sequence[str], *, is_all: bool
) -> int | None:
    """Store an operation with its first items; null where an operation has its key already."""
    adding = (
        dialect_insert(connection.dialect.name)(act)
        .values(**values, chosen=len(ids) if is_all else None)
        .on_conflict_do_nothing()
        .returning(act.c.seq)
    )
    seq: int | None = connection.execute(adding).scalar()
    if seq is not None and ids:
        _insert_items(connection, seq, 0, ids)
    return seq


def _add(connection: Connection, seq: int, ids: Sequence[str], at: int) -> None:
    _insert_items(connection, seq, at, ids[at : at + PAGE_ITEMS])
    if at + PAGE_ITEMS >= len(ids):
        connection.execute(update(act).where(act.c.seq == seq).values(chosen=len(ids)))


def _insert_items(connection: Connection, seq: int, first: int, ids: Sequence[str]) -> None:
    connection.execute(
        insert(act_item),
        [
            {"act": seq, "number": first + place, "item_id": item_id}
            for place, item_id in enumerate(ids, 1)
        ],
    )


def _get_rival(database: Database, client: ClientRequest | None) -> Operation:
    """Return the operation that was begun with the same key at the same time."""
    key = None if client is None else client.key
    rival = find_by_key(database, client.token, key) if client is not None and key else None
    if rival is None:
        raise StoreError("an operation with the same id or key was begun at the same time")
    return rival


# -- advance


def advance(
    database: Database,
    operation: Operation,
    doing: OperationHandler[Any],
    now: float,
    limit: int = BATCH_ITEMS,
) -> list[ItemResult]:
    """Process the next items of an operation, at most `limit`, in one durable commit.

    Returns their results, none where no item is left or the operation is stopped. Several processes
    may advance the same operation: one of them processes each item.
    """
    while True:
        with database.read() as connection:
            rows = connection.execute(_NEXT, {"of": operation.seq, "most": limit}).all()
        if not rows:
            return []
        prepared = doing.prepare(database, [row.item_id for row in rows], now)
        mine = {
            row.number: prepared_item for row, prepared_item in zip(rows, prepared, strict=False)
        }
        results = database.write(
            lambda connection: _carry_out(connection, operation.seq, doing, mine, now)  # noqa: B023 - called before the loop goes on
        )
        if results:  # else another process has done them, or stopped the operation
            return results


def _carry_out(
    connection: Connection, seq: int, doing: OperationHandler[T], mine: Mapping[int, T], now: float
) -> list[ItemResult]:
    numbers = connection.execute(_STILL, {"of": seq, "numbers": list(mine)}).scalars().all()
    if not numbers:
        return []
    results = doing.carry_out(connection, [mine[number] for number in numbers], now)
    connection.execute(
        _MARK,
        [
            _marked(seq, number, result, now)
            for number, result in zip(numbers, results, strict=True)
        ],
    )
    refused = sum(result.problem is not None for result in results)
    over = act.c.done + act.c.refused + len(results) >= act.c.chosen
    connection.execute(
        update(act)
        .where(act.c.seq == seq)
        .values(
            done=act.c.done + len(results) - refused,
            refused=act.c.refused + refused,
            worked_at=now,
            finished_at=case((over, now)),
        )
    )
    return results


def _marked(seq: int, number: int, result: ItemResult, now: float) -> dict[str, Any]:
    deliveries = result.deliveries if result.became is None else ()
    made = [*result.event_ids, *(delivery.id for delivery in deliveries)]
    return {
        "of": seq,
        "as": number,
        "outcome": StepOutcome.REFUSED if result.problem is not None else StepOutcome.DONE,
        "problem": result.problem and result.problem.replace("\0", "\ufffd"),
        "was": result.was,
        "became": result.became,
        "made": to_json(made or None),
        "at": now,
    }
