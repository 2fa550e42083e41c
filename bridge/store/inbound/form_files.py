"""Count the bytes of files that each form has stored.

The count changes with the events, in the same transactions. A file counts for each submission,
though its bytes are stored once. `recount` corrects errors, such as missing files from before the
count existed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from bridge.core.model import FormFile
from bridge.ingest.ports import files_full
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.tables.rows import files_of
from bridge.store.tables.schema import form_files

PAGE_ROWS: Final = 2000  # in one query

_ADD: Final = (
    "INSERT INTO form_files (source, bytes) VALUES (:source, :bytes) ON CONFLICT (source) DO UPDATE"
    " SET bytes = form_files.bytes + :bytes"
)
_ADD_UNLIMITED = text(_ADD)
_ADD_WITHIN_LIMIT = text(f"{_ADD} WHERE form_files.bytes + :bytes <= :most RETURNING bytes")
_SUBTRACT = text(
    "UPDATE form_files SET bytes = CASE WHEN bytes > :bytes THEN bytes - :bytes ELSE 0 END WHERE"
    " source = :source"
)
_NEXT_WITH_FILES = text(
    "SELECT seq, id, source, files FROM event WHERE files IS NOT NULL AND seq > :after ORDER BY seq"
    " LIMIT :most"
)


def size_of(files: Iterable[FormFile]) -> int:
    """Return the total size of files in bytes."""
    return sum(file.size for file in files)


def stored_bytes(connection: Connection) -> dict[str, int]:
    """Return how many bytes each source has stored."""
    return {row.source: row.bytes for row in connection.execute(select(form_files))}


def stored_bytes_of(database: Database, source: str) -> int:
    """Return how many bytes a source has stored."""
    with database.read() as connection:
        return (
            connection.execute(
                select(form_files.c.bytes).where(form_files.c.source == source)
            ).scalar()
            or 0
        )


def add_bytes(connection: Connection, source: str, size: int, most: int | None) -> None:
    """Count stored files. Raises `Refused` if the total would exceed `most`; None is no limit."""
    values = {"source": source, "bytes": size, "most": most}
    if most is None:
        connection.execute(_ADD_UNLIMITED, values)
    elif size > most or connection.execute(_ADD_WITHIN_LIMIT, values).first() is None:
        raise files_full()


def subtract_bytes(connection: Connection, sizes: Mapping[str, int]) -> None:
    """Subtract deleted files, by source."""
    for source, size in sorted(sizes.items()):
        connection.execute(_SUBTRACT, {"source": source, "bytes": size})


def recount(database: Database) -> Counter[str]:
    """Correct the counts, and return the size of each error, by source.

    Counts and files are read as of one moment, so concurrent changes stay counted.
    """
    found: Counter[str] = Counter()
    with database.read() as connection:
        known = stored_bytes(connection)
        place = 0
        while rows := connection.execute(
            _NEXT_WITH_FILES, {"after": place, "most": PAGE_ROWS}
        ).all():
            for row in rows:
                found[row.source] += _size(row, database.sealer)
            place = rows[-1].seq
    wrong = {source: found[source] - known.get(source, 0) for source in {*found, *known}}
    wrong = {source: size for source, size in wrong.items() if size}
    if wrong:
        database.write(lambda connection: _correct(connection, wrong))
    return Counter({source: abs(size) for source, size in wrong.items()})


def _size(row: Row[Any], sealer: Sealer) -> int:
    return size_of(files_of(row.files, row.id, sealer))


def _correct(connection: Connection, wrong: Mapping[str, int]) -> None:
    for source, size in sorted(wrong.items()):
        if size > 0:
            add_bytes(connection, source, size, None)
    subtract_bytes(connection, {source: -size for source, size in wrong.items() if size < 0})
