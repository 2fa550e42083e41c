"""The next deliveries of several lanes by one statement: each lane's are found in the index, however many wait in it.

What both databases can do, each in its own words: PostgreSQL joins a look into each lane, and locks what it finds; SQLite, which has one
writer, looks up a list of row numbers for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from bridge.store.db.prepared import Prepared, listed
from bridge.store.tables.schema import delivery

_COLUMNS = ", ".join(f"delivery.{column.name}" for column in delivery.c)
_DUE = "d.status = 'queued' AND d.platform = :platform AND d.due_at <= :now"
_SQLITE = Prepared(text(f"""
SELECT {_COLUMNS} FROM json_each(:routes) AS lane JOIN delivery ON delivery.seq IN (
    SELECT d.seq FROM delivery AS d WHERE {_DUE} AND d.route = lane.value ORDER BY d.due_at, d.seq LIMIT :most)
"""))  # noqa: S608 - names of our own columns
_POSTGRESQL = Prepared(text(f"""
SELECT {_COLUMNS} FROM json_array_elements_text(CAST(:routes AS json)) AS lane (route) CROSS JOIN LATERAL (
    SELECT * FROM delivery AS d WHERE {_DUE} AND d.route = lane.route ORDER BY d.due_at, d.seq LIMIT :most
    FOR UPDATE SKIP LOCKED) AS delivery
"""))  # noqa: S608 - names of our own columns


def heads(connection: Connection, platform: str, routes: Sequence[str], most: int, now: float) -> dict[str, list[Any]]:
    """Return the next rows that are due of each of these routes, at most so many of each, those that wait longest first."""
    statement = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    found: dict[str, list[Any]] = defaultdict(list)
    for row in statement.rows(connection, platform=platform, routes=listed(routes), most=most, now=now):
        found[row.route].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (row.due_at, row.seq))
    return found
