"""Agree to operations, withdraw, stop and resume them; and find those that workers carry out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, and_, case, select, text, update

from bridge.core.model import JSON
from bridge.core.operations import WORKER, Operation
from bridge.store.db.database import Database
from bridge.store.operations.operation_records import get, to_operation
from bridge.store.tables.encrypted import encrypt_row
from bridge.store.tables.rows import to_json
from bridge.store.tables.schema import act

MAX_RESUMED: Final = 20  # resumptions that an operation remembers
MAX_OPEN_OPERATIONS: Final = 100  # that a worker carries out by turns
_UNFINISHED: Final = act.c.finished_at.is_(None)
# The condition of its index, in its words.
_OF_WORKERS: Final = text("act.driver IS NOT NULL AND act.finished_at IS NULL")
#: Of those that the index holds, the ones that a worker carries out now.
_DUE: Final = and_(
    _OF_WORKERS,
    act.c.chosen.is_not(None),
    act.c.stopped_at.is_(None),
    act.c.proposed_until.is_(None) | act.c.agreed_at.is_not(None),
)


def agree(
    database: Database,
    operation: Operation,
    token: str,
    now: float,
    request: Mapping[str, JSON] | None = None,
) -> Operation | None:
    """Store that a token agrees to its proposal, and return the operation.

    Null where it may not: of several that agree at once, one succeeds. `request`: the changed
    one, where it changes.
    """
    changed = (
        {}
        if request is None
        else encrypt_row(database.sealer, "act", operation.id, {"asked": to_json(dict(request))})
    )
    agreeing = (
        update(act)
        .where(
            act.c.seq == operation.seq,
            act.c.token == token,
            act.c.agreed_at.is_(None),
            act.c.proposed_until > now,
            act.c.chosen.is_not(None),
        )
        .values(agreed_at=now, finished_at=case((act.c.chosen == 0, now)), **changed)
    )
    is_agreed = database.write(lambda connection: connection.execute(agreeing).rowcount) > 0
    return get(database, operation.seq) if is_agreed else None


def withdraw(database: Database, operation: Operation, token: str | None, now: float) -> bool:
    """End a proposal of a token, or of any; return False where it has ended, or is another's."""
    withdrawing = (
        update(act)
        .where(
            act.c.seq == operation.seq,
            *([] if token is None else [act.c.token == token]),
            act.c.agreed_at.is_(None),
            act.c.proposed_until > now,
        )
        .values(proposed_until=now)
    )
    return database.write(lambda connection: connection.execute(withdrawing).rowcount) > 0


def stop(database: Database, operation: Operation, now: float) -> Operation:
    """Store that an operation is stopped: no worker does another of its items."""
    stopping = (
        update(act)
        .where(act.c.seq == operation.seq, _UNFINISHED, act.c.stopped_at.is_(None))
        .values(stopped_at=now)
    )
    database.write(lambda connection: connection.execute(stopping))
    return get(database, operation.seq)


def resume(
    database: Database, operation: Operation, actor: str, now: float, *, by_worker: bool = False
) -> Operation | None:
    """Store the actor that resumes an operation; null where it is deleted for its age meanwhile.

    `by_worker`: a worker carries it out from now.
    """
    resumed = to_json(
        [list(resumption) for resumption in (*operation.resumed, (actor, now))][-MAX_RESUMED:]
    )
    values: dict[str, Any] = {"resumed": resumed, "stopped_at": None}
    if by_worker:
        values["driver"] = WORKER
    resuming = (
        update(act).where(act.c.seq == operation.seq, act.c.chosen.is_not(None)).values(values)
    )
    changed = database.write(lambda connection: connection.execute(resuming).rowcount)
    return get(database, operation.seq) if changed else None


def release_key(database: Database, operation: Operation) -> None:
    """Remove the `Idempotency-Key` of an operation that ended while it stored its items."""
    database.write(
        lambda connection: connection.execute(
            update(act)
            .where(act.c.seq == operation.seq, act.c.chosen.is_(None))
            .values(request_key=None)
        )
    )


def has_work(connection: Connection) -> bool:
    """Return whether there is an operation that a worker has to carry out."""
    return connection.execute(select(act.c.seq).where(_DUE).limit(1)).first() is not None


def list_work(database: Database) -> list[Operation]:
    """Return the operations that a worker has to carry out, the oldest first."""
    query = select(act).where(_DUE).order_by(act.c.seq).limit(MAX_OPEN_OPERATIONS)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [to_operation(row, database.sealer) for row in rows]
