"""Check that a connection to PostgreSQL is a session of its own.

A pooler that gives a connection another session for each transaction breaks settings, leadership
and notifications, and says nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from bridge.core.errors import StoreError
from bridge.store.db.database import Database

ROUNDS: Final = 3  # other clients of the pooler may hide it in one
SHARED_SESSIONS: Final = (
    "a pooler between flowbridge and PostgreSQL gives each transaction another session (PgBouncer's"
    " transaction mode): what is acknowledged may not be on disk. Next: set pool_mode = session"
    " there, or connect directly (FLOWBRIDGE_DATABASE_URL)"
)


def check_sessions(database: Database) -> None:
    """Raise `StoreError` where connections to the server share sessions."""
    if has_shared_sessions(database):
        raise StoreError(SHARED_SESSIONS)


def has_shared_sessions(database: Database) -> bool:
    """Return whether two connections were one session, or one of them changed its session.

    Neither holds a transaction while the other asks: a pooler with a single session would wait.
    """
    if database.is_sqlite:
        return False
    with database.read() as first, database.read() as second:
        return are_shared([(_read_session(first), _read_session(second)) for _ in range(ROUNDS)])


def are_shared(rounds: list[tuple[int, int]]) -> bool:
    """Return whether two connections, asked in turns, were not one session each."""
    firsts, seconds = (set(sessions) for sessions in zip(*rounds, strict=True))
    return len(firsts) > 1 or len(seconds) > 1 or firsts == seconds


def _read_session(connection: Connection) -> int:
    with connection.begin():
        session: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return session
