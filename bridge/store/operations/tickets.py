"""Tickets of the console: rows of `recent`.

A row has no effect after its time, so the maintenance job deletes it with those of forms. Only the
hash of a ticket is stored.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select

from bridge.store.db.database import Database
from bridge.store.db.upsert import dialect_insert
from bridge.store.inbound.submissions import SWEEP_ROWS, delete_expired
from bridge.store.tables.schema import recent

TICKET_KEY: Final = "console ticket "  # before the hash of a ticket


def add_ticket(database: Database, hash_: str, permits: str, until: float, now: float) -> None:
    """Store a ticket; the request that uses it gets `permits`."""
    insert = dialect_insert(database.engine.dialect.name)
    row = insert(recent).values(key=TICKET_KEY + hash_, until=until, digest=permits)

    def work(connection: Connection) -> None:
        connection.execute(row.on_conflict_do_nothing())
        delete_expired(connection, now, SWEEP_ROWS)

    database.write(work)


def renew_ticket(database: Database, hash_: str, permits: str, until: float) -> None:
    """Store a ticket, or set the end of one that is stored."""
    insert = dialect_insert(database.engine.dialect.name)
    statement = insert(recent).values(key=TICKET_KEY + hash_, until=until, digest=permits)
    renewal = statement.on_conflict_do_update(index_elements=["key"], set_={"until": until})
    database.write(lambda connection: connection.execute(renewal))


def find_ticket_end(database: Database, hash_: str) -> float | None:
    """Return when a ticket ends; None where it is not stored."""
    query = select(recent.c.until).where(recent.c.key == TICKET_KEY + hash_)
    with database.read() as connection:
        return connection.execute(query).scalar()


def use_ticket(database: Database, hash_: str, now: float) -> str | None:
    """Delete a ticket and return what it permits; None if it is unknown, used or too old."""
    statement = (
        delete(recent)
        .where(recent.c.key == TICKET_KEY + hash_, recent.c.until > now)
        .returning(recent.c.digest)
    )
    row = database.write(lambda connection: connection.execute(statement).first())
    return None if row is None else row.digest


def has_tickets(database: Database, now: float, longest: float) -> bool:
    """Return whether there is a ticket that can be used. `longest`: how long tickets last."""
    query = select(recent.c.key).where(
        recent.c.until > now,
        recent.c.until <= now + longest,  # few rows, by the index of `until`
        recent.c.key.startswith(TICKET_KEY),
    )
    with database.read() as connection:
        return connection.execute(query.limit(1)).first() is not None
