"""The next deliveries of several route queues by one statement.

The index finds those of each queue, however long it is. PostgreSQL uses a lateral join that locks
the rows; SQLite, which has one writer, a list of row numbers for each queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, text

from bridge.store.db.prepared import PreparedStatement, to_json_list
from bridge.store.tables.schema import delivery

_COLUMNS = ", ".join(f"delivery.{column.name}" for column in delivery.c)
_DUE = "d.status = 'queued' AND d.platform = :platform AND d.due_at <= :now"


def _on_sqlite(where: str = "") -> PreparedStatement:
    return PreparedStatement(
        text(f"""
SELECT {_COLUMNS} FROM json_each(:routes) AS lane JOIN delivery ON delivery.seq IN (
    SELECT d.seq FROM delivery AS d WHERE {_DUE} AND d.route = lane.value{where}
        ORDER BY d.due_at, d.seq LIMIT :most)
""")  # noqa: S608 - names of our own columns
    )


def _on_postgresql(where: str = "") -> PreparedStatement:
    return PreparedStatement(
        text(f"""
SELECT {_COLUMNS} FROM json_array_elements_text(CAST(:routes AS json)) AS lane (route) CROSS
    JOIN LATERAL (
    SELECT * FROM delivery AS d WHERE {_DUE} AND d.route = lane.route{where}
        ORDER BY d.due_at, d.seq LIMIT :most
    FOR UPDATE SKIP LOCKED) AS delivery
""")  # noqa: S608 - names of our own columns
    )


_STATEMENTS = {"sqlite": _on_sqlite(), "postgresql": _on_postgresql()}
_OF_FLOWS = {
    "sqlite": _on_sqlite(" AND d.saved_item_id IN (SELECT value FROM json_each(:flows))"),
    "postgresql": _on_postgresql(
        " AND d.saved_item_id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:flows AS json))))"
    ),
}


def find_next_due(
    connection: Connection,
    platform: str,
    routes: Sequence[str],
    most: int,
    now: float,
    flows: Collection[str] | None = None,
) -> dict[str, list[Any]]:
    """Return the next due rows of each of these routes, `most` at most of each, longest wait first.

    `flows`: only rows for these flows. The database skips others one by one, so many of them at the
    head of a queue take time.
    """
    values = {"platform": platform, "routes": to_json_list(routes), "most": most, "now": now}
    if flows is None:
        rows_found = _STATEMENTS[connection.dialect.name].rows(connection, **values)
    else:
        rows_found = _OF_FLOWS[connection.dialect.name].rows(
            connection, **values, flows=to_json_list(flows)
        )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows_found:
        found[row.route].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (row.due_at, row.seq))
    return found
