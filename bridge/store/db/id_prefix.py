"""Look up a row by its id, or by a unique part of the id."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Table, collate, false, func, select, true

from bridge.core.errors import AmbiguousId, NotFound
from bridge.store.db.database import Database

MIN_ENDING_LENGTH: Final = 4  # shorter endings match too many ids
# Rows to read: enough to detect an ambiguous id and to list some matches.
CANDIDATE_LIMIT: Final = 5
ELLIPSIS: Final = "…"  # between the beginning and the ending of a shortened id


def id_conditions(
    column: ColumnElement[str], text: str, *, is_sqlite: bool, by_ending: bool = True
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions by which `text` may match an id: the whole id, its beginning, its
    ending.

    `evt_…k2m9` matches an id by both ends, as listings print it. An index serves the first two
    conditions; without `by_ending` there are no others.
    """
    by_bytes = column if is_sqlite else collate(column, "C")
    head, gap, tail = text.partition(ELLIPSIS)
    if gap:
        if by_ending and len(tail) >= MIN_ENDING_LENGTH:
            yield begins_with(by_bytes, head) & _ends(column, tail)
        return
    if text:
        yield column == text
        yield begins_with(by_bytes, text)
    if by_ending and len(text) >= MIN_ENDING_LENGTH:
        yield _ends(column, text)


def ambiguous_id(text: str, names: Mapping[str, str]) -> AmbiguousId:
    """Return the error for a text that matches several ids; `names`: each id with its text."""
    more = f", {ELLIPSIS}" if len(names) >= CANDIDATE_LIMIT else ""
    listed = dict([*names.items()][: CANDIDATE_LIMIT - 1])
    return AmbiguousId(
        f"several ids match {text!r}: {', '.join(listed.values())}{more}; their last"
        f" {_find_distinct_ending(listed)} characters differ",
        [*names],
    )


def _find_distinct_ending(ids: Collection[str]) -> int:
    """Return the length of the shortest endings that differ."""
    longest = max(map(len, ids))
    lengths = range(MIN_ENDING_LENGTH, longest)
    return next((n for n in lengths if len({id_[-n:] for id_ in ids}) == len(ids)), longest)


def find_row(database: Database, table: Table, text: str, none: str) -> Row[Any]:
    """Return the row whose id is `text`, or the only one whose id begins or ends with it.

    Raises `NotFound`: with the message `none` if no row matches, and with some of the ids if
    several do.
    """
    for condition in id_conditions(table.c.id, text, is_sqlite=database.is_sqlite):
        with database.read() as connection:
            rows = connection.execute(select(table).where(condition).limit(CANDIDATE_LIMIT)).all()
        if len(rows) > 1:
            raise ambiguous_id(text, {row.id: row.id for row in rows})
        if rows:
            return rows[0]
    raise NotFound(none)


def begins_with(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Return the condition that an id, compared by bytes, begins with a text; ids are ASCII."""
    if not text:
        return true()
    if not text.isascii():
        return false()
    return (column >= text) & (column < text[:-1] + chr(ord(text[-1]) + 1))


def _ends(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    return func.substr(column, func.length(column) - (len(text) - 1)) == text
