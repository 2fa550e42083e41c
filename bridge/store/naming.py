"""A row by the beginning of its id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Table, func, select

from bridge.errors import NotFound
from bridge.store.database import Database


def row_named(database: Database, table: Table, text: str, none: str) -> Row[Any]:
    """Return the row with this id, or the one whose id begins so; `NotFound` says `none` where there is none, or names the several."""
    with database.read() as connection:
        rows = connection.execute(select(table).where(func.substr(table.c.id, 1, len(text)) == text).limit(5)).all()
    exact = [row for row in rows if row.id == text] or rows
    if len(exact) > 1:
        raise NotFound(f"several ids begin with {text!r}: {', '.join(row.id for row in exact)}")
    if not exact:
        raise NotFound(none)
    return exact[0]
