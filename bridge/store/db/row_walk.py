"""Bounded reads of a table, newest row first.

A read looks at a chunk of rows in one short transaction, so that it never delays a checkpoint or
reads a whole table at once. `Budget` limits how far one answer looks back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, TextClause, func, select

from bridge.store.db.database import Database

PAGE_ROWS: Final = 200  # rows returned by one statement
PAGE_BODIES: Final = 50  # bodies read by one statement
FIRST_CHUNK_ROWS: Final = 500  # rows looked at by the first statement
MAX_CHUNK_ROWS: Final = 4000  # rows looked at by one statement
MAX_RARE_ROWS: Final = 4000  # with more, the walk looks at every row instead

Conditions = Sequence[ColumnElement[bool] | TextClause]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWalk:
    """Rows of a table to read, newest first.

    `query` selects the columns, `seq` among them, and `conditions` the rows; `age` is the column
    with the time of a row. Without an index that serves a condition the walk looks at every row;
    these two save it from that:

    `indexed`: conditions that an index with `seq` as its next column serves.
    `rare`: conditions that any index serves, none to look at every row. If few rows match them, the
    walk looks only at these. `is_rare_in_order`: that index has `seq` as its next column; the order
    is asked for, so that the database takes it rather than another one.

    `late` are conditions on bodies, checked for a few rows at a time. `accept` returns the rows for
    which other conditions on the body hold, which the database cannot check. `page_rows`: rows
    returned by one statement, null for the usual number.
    """

    table: Table
    query: Select[Any]
    age: ColumnElement[float]
    conditions: Conditions = ()
    indexed: Conditions = ()
    rare: Conditions = ()
    is_rare_in_order: bool = False
    late: Conditions = ()
    accept: Callable[[Sequence[Row[Any]]], Sequence[Row[Any]]] | None = None
    page_rows: int | None = None

    @property
    def reads_bodies(self) -> bool:
        """Whether bodies are read to decide which rows match."""
        return bool(self.late) or self.accept is not None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The matching rows of one chunk, and where it ended.

    `before`: rows below this number are not looked at yet; null at the end. `row_count` and
    `body_count`: how many rows and bodies were looked at, at most.
    """

    rows: Sequence[Row[Any]]
    before: int | None
    row_count: int
    body_count: int = 0


def read_chunks(
    database: Database, walk: RowWalk, *, before: int | None = None, limit: int = 0
) -> Iterator[Chunk]:
    """Yield the chunks of a walk that starts below the number `before`, or at the newest row.

    It ends after `limit` rows (0: no limit) or at the end of the table.
    """
    numbers = _find_rare(database, walk)
    size = FIRST_CHUNK_ROWS
    page_rows = walk.page_rows or PAGE_ROWS
    left = limit or None
    while left is None or left > 0:
        max_rows = min(page_rows, left or page_rows)
        with database.read() as connection:
            part = _next_part(connection, walk, numbers, before, size)
            read = _read_late if walk.reads_bodies else _read
            chunk = read(connection, walk, part, max_rows)
        if walk.accept is not None:
            chunk = _limit(replace(chunk, rows=walk.accept(chunk.rows)), max_rows)
        yield chunk
        if chunk.before is None:
            return
        before = chunk.before
        left = None if left is None else left - len(chunk.rows)
        if len(chunk.rows) < max_rows:
            size = min(2 * size, MAX_CHUNK_ROWS)


def count_rows(database: Database, walk: RowWalk) -> int:
    """Count the rows of a walk, without its `late` conditions."""
    numbers = _find_rare(database, walk)
    count = 0
    before: int | None = None
    while True:
        with database.read() as connection:
            part = _next_part(connection, walk, numbers, before, MAX_CHUNK_ROWS)
            counting = select(func.count()).select_from(walk.table).where(*part.conditions)
            count += connection.execute(counting).scalar() or 0
        if part.lowest is None:
            return count
        before = part.lowest


# -- parts of the table


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows to look at next: their conditions, the lowest number, null at the end."""

    conditions: Conditions
    lowest: int | None
    row_count: int


def _find_rare(database: Database, walk: RowWalk) -> list[int] | None:
    """Return the numbers of the rows that match `rare`, newest first; null if they are many."""
    if not walk.rare:
        return None
    query = rare_query(walk)
    with database.read() as connection:
        numbers = connection.execute(query).scalars().all()
    return sorted(numbers, reverse=True) if len(numbers) <= MAX_RARE_ROWS else None


def rare_query(walk: RowWalk) -> Select[Any]:
    """Return the statement that reads the numbers of the rows of `rare`, if they are few."""
    seq = walk.table.c.seq
    query = select(seq).where(*walk.rare).limit(MAX_RARE_ROWS + 1)
    return query.order_by(seq.desc()) if walk.is_rare_in_order else query


def _next_part(
    connection: Connection,
    walk: RowWalk,
    numbers: Sequence[int] | None,
    before: int | None,
    size: int,
) -> _Part:
    seq = walk.table.c.seq
    if numbers is not None:
        mine = [number for number in numbers if before is None or number < before]
        part = mine[:size]
        lowest = part[-1] if len(mine) > size else None
        return _Part([seq.in_(part), *walk.conditions], lowest, len(part))
    below = [*walk.indexed, *([] if before is None else [seq < before])]
    lowest = connection.execute(
        select(seq).where(*below).order_by(seq.desc()).offset(size - 1).limit(1)
    ).scalar()
    within = [] if lowest is None else [seq >= lowest]
    return _Part([*below, *within, *walk.conditions], lowest, size)


def _read(connection: Connection, walk: RowWalk, part: _Part, max_rows: int) -> Chunk:
    seq = walk.table.c.seq
    rows = connection.execute(
        walk.query.where(*part.conditions).order_by(seq.desc()).limit(max_rows)
    ).all()
    before = rows[-1].seq if len(rows) == max_rows else part.lowest
    return Chunk(rows, before, part.row_count)


def _read_late(connection: Connection, walk: RowWalk, part: _Part, max_rows: int) -> Chunk:
    """Read the rows of a part, but at most `PAGE_BODIES` bodies."""
    seq = walk.table.c.seq
    numbers = (
        connection.execute(
            select(seq).where(*part.conditions).order_by(seq.desc()).limit(PAGE_BODIES)
        )
        .scalars()
        .all()
    )
    rows: Sequence[Row[Any]] = connection.execute(
        walk.query.where(seq.in_(numbers), *walk.late).order_by(seq.desc())
    ).all()
    before = numbers[-1] if len(numbers) == PAGE_BODIES else part.lowest
    chunk = Chunk(rows, before, part.row_count, len(numbers))
    return chunk if walk.accept is not None else _limit(chunk, max_rows)


def _limit(chunk: Chunk, max_rows: int) -> Chunk:
    """Return a chunk with its first `max_rows` rows; the next one begins with the others."""
    if len(chunk.rows) <= max_rows:
        return chunk
    return replace(chunk, rows=chunk.rows[:max_rows], before=chunk.rows[max_rows - 1].seq)


# -- one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits of one answer: seconds, rows looked at, and bodies read.

    The first chunk is always read, so that each answer makes progress.
    """

    seconds: float
    rows: int = 20_000
    bodies: int = 200
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)


@dataclass(frozen=True, slots=True)
class RowPage:
    """The rows of one answer. `before` continues it, null if no row is left to look at."""

    rows: Sequence[Row[Any]]
    before: int | None


def read_page(
    database: Database,
    walk: RowWalk,
    limit: int,
    *,
    before: int | None = None,
    budget: Budget | None = None,
) -> RowPage:
    """Return at most `limit` rows below the number `before`, within a budget."""
    limits = budget or Budget(seconds=database.timings.list_page_seconds)
    until = limits.clock() + limits.seconds
    rows: list[Row[Any]] = []
    row_count = 0
    body_count = 0
    for chunk in read_chunks(database, walk, before=before, limit=limit):
        rows += chunk.rows
        row_count += chunk.row_count
        body_count += chunk.body_count
        before = chunk.before
        if (
            before is None
            or row_count >= limits.rows
            or body_count >= limits.bodies
            or limits.clock() >= until
        ):
            break
    return RowPage(rows, before)


def read_age(database: Database, walk: RowWalk, at: int) -> float | None:
    """Return the time of the oldest row that a walk down to the number `at` has looked at."""
    seq = walk.table.c.seq
    query = select(walk.age).where(seq >= at).order_by(seq).limit(1)
    with database.read() as connection:
        return connection.execute(query).scalar()
