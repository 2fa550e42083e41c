"""The types of stored events, and the newest events of a type, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Row,
    Text,
    func,
    literal_column,
    select,
)

from bridge.core.model import Event
from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES, read_chunks
from bridge.store.encryption import key_id_of
from bridge.store.queries.events import event_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.rows import to_event
from bridge.store.tables.schema import event

MAX_TYPE_ROWS: Final = 200_000  # newest events whose types are counted
MAX_TYPES: Final = 10_000  # types that are counted
TYPE_CHUNK_ROWS: Final = 10_000  # rows counted by one statement
MAX_SEARCHED_ROWS: Final = 200_000  # newest events among which those of a type are looked for

# An expression: with the column itself SQLite reads an index on `source` from its beginning, for
# its order, and not the rows of `seq`.
_source_text: Final[ColumnClause[str]] = literal_column("event.source || ''", Text)


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How many events of a source have a type, and when the first and the last one came."""

    source: str
    type: str | None
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class TypeCounts:
    """The types of the newest events, the latest first.

    `read_until`: when the oldest event that was counted came, if there are more, or more types;
    None if all were counted.
    """

    rows: Sequence[TypeCount]
    read_until: float | None = None


def count_types(
    database: Database,
    source: str | None = None,
    *,
    max_rows: int = MAX_TYPE_ROWS,
    most_types: int = MAX_TYPES,
    chunk_rows: int = TYPE_CHUNK_ROWS,
    is_late: Callable[[], bool] = lambda: False,
) -> TypeCounts:
    """Count the newest `max_rows` events by source and type, `chunk_rows` with each statement.

    The count ends after the first statement that finds more than `most_types`, or at which
    `is_late` returns true.
    """
    counts: dict[tuple[str, str | None], TypeCount] = {}
    before: int | None = None
    for start in range(0, max_rows, chunk_rows):
        with database.read() as connection:
            lowest = _find_lowest(connection, before, min(chunk_rows, max_rows - start))
            rows = _count_chunk(connection, source, before, lowest)
        for row in rows:
            _add(counts, TypeCount(row.source, row.type, row.n, row.first_at, row.last_at))
        before = lowest
        if lowest is None or len(counts) > most_types or is_late():
            break
    newest_first = sorted(counts.values(), key=lambda count: count.last_at, reverse=True)
    if len(counts) > most_types:
        kept = newest_first[:most_types]
        return TypeCounts(kept, min(count.first_at for count in kept))
    return TypeCounts(newest_first, _read_end(database, before))


def _find_lowest(connection: Connection, before: int | None, count: int) -> int | None:
    """Return the number of the last of `count` events below `before`; null if there are fewer."""
    below = [] if before is None else [event.c.seq < before]
    newest = select(event.c.seq).where(*below).order_by(event.c.seq.desc())
    return connection.execute(newest.offset(count - 1).limit(1)).scalar()


def _count_chunk(
    connection: Connection, source: str | None, before: int | None, lowest: int | None
) -> Sequence[Row[Any]]:
    conditions: list[ColumnElement[bool]] = [
        *([] if before is None else [event.c.seq < before]),
        event.c.seq >= (lowest or 0),
        *([] if source is None else [_source_text == source]),
    ]
    query = select(
        _source_text.label("source"),
        event.c.type,
        func.count().label("n"),
        func.min(event.c.received_at).label("first_at"),
        func.max(event.c.received_at).label("last_at"),
    )
    groups = query.where(*conditions).group_by(_source_text, event.c.type)
    return connection.execute(groups).all()


def _read_end(database: Database, lowest: int | None) -> float | None:
    """Return when the event with the number `lowest` came, if there are earlier ones."""
    if lowest is None:
        return None
    earlier = select(event.c.seq).where(event.c.seq < lowest).limit(1)
    came = select(event.c.received_at).where(event.c.seq == lowest)
    with database.read() as connection:
        if connection.execute(earlier).first() is None:
            return None
        return connection.execute(came).scalar()


def _add(counts: dict[tuple[str, str | None], TypeCount], new: TypeCount) -> None:
    key = (new.source, new.type)
    earlier = counts.get(key)
    if earlier is not None:
        counts[key] = TypeCount(
            new.source,
            new.type,
            earlier.count + new.count,
            min(earlier.first_at, new.first_at),
            max(earlier.last_at, new.last_at),
        )
    else:
        counts[key] = new


def newest_of_type(
    database: Database,
    source: str,
    type_: str,
    limit: int,
    *,
    is_late: Callable[[], bool] = lambda: False,
) -> Iterator[Event | None]:
    """Yield the newest `limit` events of a type with their bodies; None for an encrypted one.

    `type_` may contain `*`. The search ends after `MAX_SEARCHED_ROWS` events, or where `is_late`
    returns true.
    """
    walk = replace(
        event_walk(database, Filters(source=source, type=type_), select(event)),
        page_rows=PAGE_BODIES,
    )
    looked = 0
    for chunk in read_chunks(database, walk, limit=limit):
        for row in chunk.rows:
            yield None if _is_sealed(row) else to_event(row, database.sealer)
        looked += chunk.row_count
        if looked >= MAX_SEARCHED_ROWS or is_late():
            return


def _is_sealed(row: Row[Any]) -> bool:
    return key_id_of(bytes(row.body)) is not None
