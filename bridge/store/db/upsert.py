"""INSERT with ON CONFLICT, in the dialect of the connection's database."""

from __future__ import annotations

from typing import Any


def dialect_insert(dialect: str) -> Any:
    """Return the dialect's own INSERT, which supports ON CONFLICT."""
    # Imported here: a dialect is megabytes, and only one of them is used.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as into_sqlite

        return into_sqlite
    from sqlalchemy.dialects.postgresql import insert as into_postgresql

    return into_postgresql
