"""Sessions of the console: rows that a cookie names, of which only the hash of a secret is stored.

Every request looks its session up: it ends at once in all processes. A secret has 256 random bits,
so the time of a lookup by hash reveals nothing about stored secrets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, not_, select, update

from bridge.store.db.database import Database
from bridge.store.operations.tokens import hash_secret
from bridge.store.tables.schema import console_session

SESSION_SECONDS: Final = 12 * 3600.0
IDLE_SECONDS: Final = 3600.0  # without a request
MAX_SKEW_SECONDS: Final = 60.0  # of the clocks of two machines
MAX_SESSIONS_OF_HOLDER: Final = 100  # of one token, or of one creator of tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A row. `kind`: of the login. `of`: its token, or a proof of it. `name`: of its holder."""

    kind: str
    of: str
    name: str
    scopes: str
    began_at: float
    used_at: float


def add(database: Database, secret: str, session: StoredSession) -> None:
    """Store a session; delete those that have ended, and the oldest of a holder with too many."""
    table = console_session
    of_holder = and_(table.c.kind == session.kind, table.c.name == session.name)
    beyond = (
        select(table.c.hash)
        .where(of_holder)
        .order_by(table.c.used_at.desc())
        .offset(MAX_SESSIONS_OF_HOLDER - 1)
    )

    def work(connection: Connection) -> None:
        connection.execute(delete(table).where(not_(_is_open(session.began_at))))
        connection.execute(delete(table).where(table.c.hash.in_(beyond)))
        connection.execute(insert(table).values(hash=hash_secret(secret), **asdict(session)))

    database.write(work)


def read(database: Database, secret: str, now: float) -> StoredSession | None:
    """Return the session with this secret; None where there is none, or where it has ended."""
    query = select(console_session).where(_has(secret), _is_open(now))
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = {name: value for name, value in row._mapping.items() if name != "hash"}
    return StoredSession(**values)


def record_use(database: Database, secret: str, now: float) -> None:
    """Record that a session was used."""
    statement = update(console_session).where(_has(secret)).values(used_at=now)
    database.write(lambda connection: connection.execute(statement))


def end(database: Database, secret: str) -> None:
    """Delete a session."""
    database.write(
        lambda connection: connection.execute(delete(console_session).where(_has(secret)))
    )


def _has(secret: str) -> ColumnElement[bool]:
    return console_session.c.hash == hash_secret(secret)


def _is_open(now: float) -> ColumnElement[bool]:
    """Return the condition that a session has not ended; one from the future is not open."""
    return and_(
        console_session.c.began_at > now - SESSION_SECONDS,
        console_session.c.used_at > now - IDLE_SECONDS,
        console_session.c.used_at <= now + MAX_SKEW_SECONDS,
    )
