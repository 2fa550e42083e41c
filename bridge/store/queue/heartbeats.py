"""Heartbeats of workers, and a write test of the store."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from bridge.core.timings import Timings
from bridge.store.db.database import Database, timings_of
from bridge.store.tables.schema import event, worker

FORGET_SECONDS = 86400.0

_NEWEST = select(event.c.received_at).order_by(event.c.seq.desc()).limit(1)
_KNOWN = select(event.c.seq).where(
    event.c.source == bindparam("source"), event.c.provider_id == bindparam("provider_id")
)


def beat(connection: Connection, worker_id: str, host: str, pid: int, now: float) -> None:
    """Store the heartbeat of a worker."""
    if (
        connection.execute(
            update(worker).where(worker.c.id == worker_id).values(seen_at=now)
        ).rowcount
        == 0
    ):
        connection.execute(
            insert(worker).values(id=worker_id, host=host, pid=pid, started_at=now, seen_at=now)
        )


def leave(connection: Connection, worker_id: str) -> None:
    """Delete a worker that has stopped."""
    connection.execute(delete(worker).where(worker.c.id == worker_id))


def forget(connection: Connection, now: float) -> int:
    """Delete workers that died more than a day ago; return how many."""
    return connection.execute(
        delete(worker).where(worker.c.seen_at < now - FORGET_SECONDS)
    ).rowcount


def is_alive(now: float, timings: Timings) -> ColumnElement[bool]:
    """Return the condition for workers with a recent heartbeat.

    A heartbeat far in the future does not count: the clock was set back since.
    """
    missing = timings.worker_missing_seconds
    return worker.c.seen_at.between(now - missing, now + missing)


def count_alive(connection: Connection, now: float) -> int:
    """Return how many workers have a recent heartbeat."""
    query = select(func.count()).select_from(worker).where(is_alive(now, timings_of(connection)))
    return connection.execute(query).scalar_one()


def workers_alive(database: Database, now: float) -> int:
    """Return how many workers have a recent heartbeat."""
    with database.read() as connection:
        return count_alive(connection, now)


def check_store(database: Database, now: float) -> int:
    """Commit a transaction as durable as that of an event, and read what storing an event reads.

    That is the end of the table and the index of provider ids. Returns how many workers have a
    recent heartbeat. `StoreError`: the store cannot be written to.
    """
    return database.write(lambda connection: _read_all(connection, now))


def rehearse_check(database: Database) -> None:
    """Read what `check_store` reads, in the parent of the processes that will check the store."""
    database.rehearse(lambda connection: _read_all(connection, 0.0))


def _read_all(connection: Connection, now: float) -> int:
    connection.execute(_NEWEST).first()
    connection.execute(_KNOWN, {"source": "", "provider_id": ""}).first()
    return count_alive(connection, now)
