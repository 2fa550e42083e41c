"""Copy the rows of one table, and compare what was written with what was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreError
from bridge.store.db.error_text import describe_error

BATCH_ROWS: Final = 500  # rows written by one statement
BATCH_BYTES: Final = 4 * 1024 * 1024  # bytes written by one statement
# rows read at once: of tables with bodies, and of others
BODY_PAGE_ROWS = 16
PAGE_ROWS = 500
MAX_NAMED_ROWS: Final = 20  # rows with unsupported characters; more are only counted
#: Characters that texts cannot store: https://www.postgresql.org/docs/current/datatype-character.html.
#: Bytes that are not UTF-8 are read as half characters.
UNSUPPORTED_CHARACTERS: Final = {
    "postgresql": re.compile("[\0\ud800-\udfff]"),
    "sqlite": re.compile("[\ud800-\udfff]"),
}
REPLACEMENT_CHARACTER: Final = "\ufffd"
Row = dict[str, Any]


@dataclass(slots=True)
class RowDigest:
    """The number of rows and a digest of all their values, independent of their order."""

    rows: int = 0
    digest: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row."""
        hashed = blake2b(digest_size=16)
        for value in row.values():
            data = value if isinstance(value, bytes) else str(value).encode()
            hashed.update(f"{type(value).__name__} {len(data)} ".encode() + data)
        self.rows += 1
        self.digest = (self.digest + int.from_bytes(hashed.digest())) % 2**128


@dataclass(slots=True)
class CopyResult:
    """The result of a copy: rows by table, and how many had characters replaced."""

    rows: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    misfits: list[str] = field(default_factory=list)
    misfitting: int = 0


def _read_rows(connection: Connection, table: Table) -> Iterator[Row]:
    """Yield a table's rows in constant memory."""
    size = BODY_PAGE_ROWS if {"body", "inputs"} & set(table.c.keys()) else PAGE_ROWS
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query, execution_options={"yield_per": size}) as result:
        for row in result.mappings():
            yield dict(row)


def digest_rows(connection: Connection, table: Table, advance: Callable[[int], None]) -> RowDigest:
    digest = RowDigest()
    for row in _read_rows(connection, table):
        digest.add(row)
        advance(1)
    return digest


def copy_table(
    reader: Connection,
    writer: Connection,
    table: Table,
    copied: CopyResult,
    *,
    repair: bool,
    advance: Callable[[int], None],
) -> RowDigest:
    total = RowDigest()
    size = 0
    pile: list[Row] = []

    def flush() -> None:
        if pile and not copied.misfits:
            try:
                writer.execute(insert(table), pile)
            except DBAPIError as error:
                raise StoreError(
                    f"cannot store {_row_name(table, pile[0])} to {_row_name(table, pile[-1])}:"
                    f" {describe_error(error)}"
                ) from error
        advance(len(pile))
        pile.clear()

    for row in _read_rows(reader, table):
        _check_texts(row, table, UNSUPPORTED_CHARACTERS[writer.dialect.name], copied, repair=repair)
        if not copied.misfits:  # else only count the other rows
            total.add(row)
        pile.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(pile) >= BATCH_ROWS or size >= BATCH_BYTES:
            flush()
            size = 0
    flush()
    return total


def _check_texts(
    row: Row, table: Table, unfit: re.Pattern[str], copied: CopyResult, *, repair: bool
) -> None:
    """Replace characters that the target cannot store, or record the row as a misfit."""
    bad = [name for name, value in row.items() if isinstance(value, str) and unfit.search(value)]
    if bad and repair:
        copied.repaired += 1
        row |= {name: unfit.sub(REPLACEMENT_CHARACTER, row[name]) for name in bad}
    elif bad:
        copied.misfitting += 1
        if len(copied.misfits) < MAX_NAMED_ROWS:
            copied.misfits.append(f"{_row_name(table, row)} ({', '.join(bad)})")


def _row_name(table: Table, row: Row) -> str:
    names = ["id"] if "id" in row else [column.name for column in table.primary_key.columns]
    return " ".join([table.name, *(ascii(row[name]) for name in names)])
