"""Whole events in bounded pages, newest first: each page is a short transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, func, select

from bridge.core.errors import DecryptionError, KeyMissing
from bridge.core.model import Event
from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES, read_chunks
from bridge.store.queries.events import event_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.rows import to_event
from bridge.store.tables.schema import event

SIZED_IDS: Final = 500  # whose sizes are read by one statement
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024  # of bodies that are read at once; a larger one goes alone


@dataclass(frozen=True, slots=True)
class UnreadableEvent:
    """An event that cannot be decrypted here. `problem` names the missing key."""

    id: str
    problem: str


def read_events(
    database: Database, filters: Filters, limit: int = 0
) -> Iterator[Event | UnreadableEvent]:
    """Yield whole events that match, newest first, without those that are deleted meanwhile.

    `limit` 0 is no limit.
    """
    columns = select(event.c.seq, event.c.id, func.length(event.c.body).label("size"))
    walk = event_walk(database, filters, columns)
    for chunk in read_chunks(database, walk, limit=limit):
        yield from _read_pages(database, chunk.rows)


def read_named_events(database: Database, ids: Sequence[str]) -> Iterator[Event | UnreadableEvent]:
    """Yield the whole events with these ids, in this order, without those that do not exist."""
    for start in range(0, len(ids), SIZED_IDS):
        part = ids[start : start + SIZED_IDS]
        query: Select[Any] = select(event.c.id, func.length(event.c.body).label("size"))
        with database.read() as connection:
            rows = connection.execute(query.where(event.c.id.in_(part))).all()
        rows_by_id = {row.id: row for row in rows}
        yield from _read_pages(database, [rows_by_id[id_] for id_ in part if id_ in rows_by_id])


def _read_pages(database: Database, rows: Sequence[Row[Any]]) -> Iterator[Event | UnreadableEvent]:
    """Yield the events of rows with the columns `id` and `size`, in pages of short reads."""
    for page in _pages(rows):
        with database.read() as connection:
            whole = connection.execute(select(event).where(event.c.id.in_(page))).all()
        rows_by_id = {row.id: row for row in whole}
        del whole
        yield from (_read(rows_by_id.pop(id_), database) for id_ in page if id_ in rows_by_id)


def _pages(rows: Sequence[Row[Any]]) -> Iterator[list[str]]:
    """Yield the ids of rows in pages of few bodies and few bytes."""
    page: list[str] = []
    size = 0
    for row in rows:
        if page and (len(page) >= PAGE_BODIES or size + row.size > MAX_PAGE_BYTES):
            yield page
            page = []
            size = 0
        page.append(row.id)
        size += row.size
    if page:
        yield page


def _read(row: Row[Any], database: Database) -> Event | UnreadableEvent:
    try:
        return to_event(row, database.sealer)
    except (KeyMissing, DecryptionError) as error:
        return UnreadableEvent(row.id, str(error))
