"""Requests to start a run by hand, by the token and the `Idempotency-Key` that they came with.

A row is stored before the call to the platform, so that the same request cannot start a second run,
also after a crash in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from bridge.core.model import JSON
from bridge.store.db.database import Database
from bridge.store.db.upsert import dialect_insert
from bridge.store.tables.encrypted import row_name
from bridge.store.tables.rows import from_json, to_json
from bridge.store.tables.schema import run_request

REQUEST_SECONDS: Final = 24 * 3600.0  # for which a request is known again


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request that was sent before. `answer`: null while no answer of the platform is known."""

    digest: str
    answer: JSON


def begin(database: Database, token: str, key: str, digest: str, now: float) -> bool:
    """Store a request before its run is started; False where there is one with the same key."""
    insert = dialect_insert(database.engine.dialect.name)
    row = insert(run_request).values(token=token, key=key, digest=digest, at=now)
    statement = row.on_conflict_do_nothing().returning(run_request.c.key)
    return database.write(lambda connection: connection.execute(statement).first() is not None)


def find(database: Database, token: str, key: str) -> RunRequest | None:
    """Return the request with this key; None where there is none."""
    query = select(run_request.c.digest, run_request.c.answer).where(_has(token, key))
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    answer = database.sealer.open(row.answer, "run_request", "answer", row_name(token, key))
    return RunRequest(row.digest, from_json(answer))


def finish(database: Database, token: str, key: str, answer: JSON) -> None:
    """Store the answer to a request."""
    text = to_json(answer)
    sealed = database.sealer.seal(text, "run_request", "answer", row_name(token, key))
    statement = update(run_request).where(_has(token, key)).values(answer=sealed)
    database.write(lambda connection: connection.execute(statement))


def withdraw(database: Database, token: str, key: str) -> None:
    """Delete a request that certainly started no run: it may be sent again."""

    def work(connection: Connection) -> None:
        connection.execute(delete(run_request).where(_has(token, key)))

    database.write(work)


def _has(token: str, key: str) -> ColumnElement[bool]:
    return and_(run_request.c.token == token, run_request.c.key == key)
