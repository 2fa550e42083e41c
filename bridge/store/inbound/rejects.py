"""Rejects: bounded copies of requests that failed verification, the newest of each source.

The limits prevent a flood of requests from filling the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, delete, insert, select

from bridge.core.model import Reject
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import find_row
from bridge.store.db.row_walk import RowWalk, read_chunks
from bridge.store.encryption import Sealer
from bridge.store.tables.encrypted import COLUMNS_BY_TABLE, encrypt_row
from bridge.store.tables.rows import from_json, to_json
from bridge.store.tables.schema import reject

MAX_REJECTS_PER_SOURCE = 100
PAGE_ROWS = 50  # each may be a hundred KiB
_NAMES = [field.name for field in fields(Reject)]


def add(database: Database, rejected: Reject) -> None:
    """Store a reject, and delete the oldest of its source."""
    values = {name: getattr(rejected, name) for name in _NAMES} | {
        "headers": to_json(dict(rejected.headers)),
        "event_ids": None,
    }
    values = encrypt_row(database.sealer, "reject", rejected.id, values)
    columns = reject.c
    newest = (
        select(columns.seq).where(columns.source == rejected.source).order_by(columns.seq.desc())
    )
    database.write(
        lambda connection: (
            connection.execute(insert(reject).values(values)),
            connection.execute(
                delete(reject).where(
                    columns.source == rejected.source,
                    columns.seq <= newest.offset(MAX_REJECTS_PER_SOURCE).limit(1).scalar_subquery(),
                )
            ),
        )
    )


def list_rejects(
    database: Database,
    *,
    source: str | None = None,
    since: float | None = None,
    waiting: bool = False,
    limit: int = 0,
) -> Iterator[Reject]:
    """Yield rejects, newest first, one page at a time in memory.

    `waiting`: only rejects that were not readmitted; `limit`: 0 for no limit.
    """
    walk = reject_walk(source=source, since=since, waiting=waiting)
    for chunk in read_chunks(database, walk, limit=limit):
        yield from (to_reject(row, database.sealer) for row in chunk.rows)


def reject_walk(
    *, source: str | None = None, since: float | None = None, waiting: bool = False
) -> RowWalk:
    """Return the walk over the rejects that match, newest first."""
    return RowWalk(
        table=reject,
        query=select(reject),
        age=reject.c.received_at,
        conditions=[
            *([] if source is None else [reject.c.source == source]),
            *([] if since is None else [reject.c.received_at >= since]),
            *([reject.c.readmitted_at.is_(None)] if waiting else []),
        ],
        page_rows=PAGE_ROWS,
    )


def get(database: Database, text: str) -> Reject:
    """Return the reject with this id, or the only one whose id begins or ends with it.

    Raises `NotFound` if none or several match.
    """
    row = find_row(
        database,
        reject,
        text,
        f"no reject has the id {text!r}; flowbridge stores the newest {MAX_REJECTS_PER_SOURCE} of"
        " each source",
    )
    return to_reject(row, database.sealer)


def to_reject(row: Row[Any], sealer: Sealer) -> Reject:
    """Return the reject of a row."""
    values = {name: row._mapping[name] for name in _NAMES}
    values |= {
        name: sealer.open(values[name], "reject", name, row.id)
        for name in COLUMNS_BY_TABLE["reject"]
    }
    return Reject(
        **(
            values
            | {
                "headers": from_json(values["headers"]),
                "event_ids": tuple(from_json(row.event_ids) or ()),
            }
        )
    )
