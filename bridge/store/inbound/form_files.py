"""Count the bytes of files that each form has stored, and those of each network of its senders.

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
from bridge.store.tables.schema import form_files, network_bytes

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
_ADD_OF_NETWORK = text(
    "INSERT INTO network_bytes (source, network, files, day, today) VALUES (:source, :network,"
    " :bytes, 0, 0) ON CONFLICT (source, network) DO UPDATE SET files = network_bytes.files +"
    " :bytes"
)
_SUBTRACT_OF_NETWORK = text(
    "UPDATE network_bytes SET files = CASE WHEN files > :bytes THEN files - :bytes ELSE 0 END WHERE"
    " source = :source AND network = :network"
)
_CHANGES: Final = {  # by whether bytes are added, and whether they are those of a network
    (True, False): _ADD_UNLIMITED,
    (False, False): _SUBTRACT,
    (True, True): _ADD_OF_NETWORK,
    (False, True): _SUBTRACT_OF_NETWORK,
}
_NEXT_WITH_FILES = text(
    "SELECT seq, id, source, network, files FROM event WHERE files IS NOT NULL AND seq >"
    " :after ORDER BY seq LIMIT :most"
)

#: What is counted: the form of a source, and one network of its senders (None: all of them).
Sender = tuple[str, int | None]


def size_of(files: Iterable[FormFile]) -> int:
    """Return the total size of files in bytes."""
    return sum(file.size for file in files)


def stored_bytes(connection: Connection) -> dict[str, int]:
    """Return how many bytes each source has stored."""
    return {row.source: row.bytes for row in connection.execute(select(form_files))}


def add_bytes(connection: Connection, source: str, size: int, max_bytes: int | None) -> None:
    """Count stored files.

    Raises `Refused` if the total would exceed `max_bytes`; None is no limit.
    """
    values = {"source": source, "bytes": size, "most": max_bytes}
    if max_bytes is None:
        connection.execute(_ADD_UNLIMITED, values)
    elif size > max_bytes or connection.execute(_ADD_WITHIN_LIMIT, values).first() is None:
        raise files_full()


def change_bytes(connection: Connection, sizes: Mapping[Sender, int]) -> None:
    """Count files that were deleted (sizes below 0) or restored, without a limit.

    Forms are first, as when a submission is stored, so that no two transactions deadlock.
    """
    for (source, network), size in sorted(sizes.items(), key=_lock_order):
        values = {"source": source, "network": network, "bytes": abs(size)}
        connection.execute(_CHANGES[size > 0, network is not None], values)


def senders_of(source: str, network: int | None) -> set[Sender]:
    """Return under what the files of an event are counted."""
    return {(source, None), (source, network)}


def _lock_order(item: tuple[Sender, int]) -> tuple[bool, str, int]:
    (source, network), _ = item
    return network is not None, source, network or 0


def recount(database: Database) -> Counter[str]:
    """Correct the counts, and return the size of each error, by source.

    Counts and files are read as of one moment, so concurrent changes stay counted.
    """
    actual: Counter[Sender] = Counter()
    with database.read() as connection:
        counted = _counts(connection)
        place = 0
        while rows := connection.execute(
            _NEXT_WITH_FILES, {"after": place, "most": PAGE_ROWS}
        ).all():
            for row in rows:
                size = _size(row, database.sealer)
                actual.update(dict.fromkeys(senders_of(row.source, row.network), size))
            place = rows[-1].seq
    wrong = {sender: actual[sender] - counted.get(sender, 0) for sender in {*actual, *counted}}
    wrong = {sender: size for sender, size in wrong.items() if size}
    if wrong:
        database.write(lambda connection: change_bytes(connection, wrong))
    errors: Counter[str] = Counter()
    for (source, _), size in wrong.items():
        errors[source] += abs(size)
    return errors


def _counts(connection: Connection) -> dict[Sender, int]:
    """Return how many bytes are counted for each form and each network."""
    networks = connection.execute(select(network_bytes).where(network_bytes.c.files > 0))
    return {
        **{(source, None): size for source, size in stored_bytes(connection).items()},
        **{(row.source, row.network): row.files for row in networks},
    }


def _size(row: Row[Any], sealer: Sealer) -> int:
    return size_of(files_of(row.files, row.id, sealer))
