"""The owners of blobs. Every table that stores bytes in blobs is a row of `BLOB_OWNERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text

from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.tables.encrypted import row_name
from bridge.store.tables.rows import files_of

PAGE_ROWS: Final = 2000  # in one transaction


def _local_file_digest(row: Row[Any], sealer: Sealer) -> Iterator[str]:
    yield sealer.open(
        row.sha256, "local_file", "sha256", row_name(row.user_id, row.run_id, row.name)
    )


def _event_file_digests(row: Row[Any], sealer: Sealer) -> Iterator[str]:
    yield from (file.sha256 for file in files_of(row.files, row.id, sealer))


@dataclass(frozen=True, slots=True)
class BlobOwner:
    """A table whose rows own blobs.

    `key`: the columns to page by; `digests`: returns the digests of a row.
    """

    query: str
    key: tuple[str, ...]
    first: tuple[Any, ...]  # sorts before all keys
    digests: Callable[[Row[Any], Sealer], Iterator[str]]


#: The conditions match indexes.
BLOB_OWNERS: Final = (
    BlobOwner(
        "SELECT user_id, run_id, name, sha256 FROM local_file WHERE (user_id, run_id, name) >"
        " (:user_id, :run_id, :name) ORDER BY user_id, run_id, name",
        ("user_id", "run_id", "name"),
        ("", "", ""),
        _local_file_digest,
    ),
    BlobOwner(
        "SELECT seq, id, files FROM event WHERE files IS NOT NULL AND seq > :seq ORDER BY seq",
        ("seq",),
        (0,),
        _event_file_digests,
    ),
)


def owned_digests(database: Database) -> set[str]:
    """Return the digests of all blobs with an owner.

    Blobs that are stored during the read may be missing.
    """
    return {digest for owner in BLOB_OWNERS for digest in _owned_by(database, owner)}


def _owned_by(database: Database, owner: BlobOwner) -> Iterator[str]:
    page = text(f"{owner.query} LIMIT :most")
    place = owner.first
    while True:
        with database.read() as connection:
            rows = connection.execute(
                page, {**dict(zip(owner.key, place, strict=True)), "most": PAGE_ROWS}
            ).all()
        for row in rows:
            yield from owner.digests(row, database.sealer)
        if len(rows) < PAGE_ROWS:
            return
        place = tuple(rows[-1]._mapping[name] for name in owner.key)
