"""Files of the local platform by name: uploaded, or saved by a run. Their bytes are blobs."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, func, select, text

from bridge.core.local_runs import EVENT_FILE_PREFIX, LocalFile
from bridge.store.tables.encrypted import encrypt_row, row_name, sealer_of
from bridge.store.tables.schema import local_file

#: Of two files with one name that are stored at once, the later remains.
_UPSERT = text(
    "INSERT INTO local_file (user_id, run_id, name, sha256, size, created_at) VALUES (:user_id,"
    " :run_id, :name, :sha256, :size, :created_at) ON CONFLICT (user_id, run_id, name) DO UPDATE"
    " SET sha256 = excluded.sha256, size = excluded.size, created_at = excluded.created_at"
)


def store_file(connection: Connection, file: LocalFile) -> None:
    """Store a file; one with the same user, run and name is replaced."""
    name = row_name(file.user_id, file.run_id, file.name)
    connection.execute(
        _UPSERT, encrypt_row(sealer_of(connection), "local_file", name, asdict(file))
    )


def find_file(
    connection: Connection, user_id: str, name: str, run_id: str = ""
) -> LocalFile | None:
    """Return the file with this name, uploaded by the user or saved by the run.

    The name may be any text: inputs of a run name files, and a sender may choose them.
    """
    if "\0" in name:  # no file is called so, and PostgreSQL refuses the statement
        return None
    row = connection.execute(select(local_file).where(*_same(user_id, name, run_id))).one_or_none()
    if row is None:
        return None
    digest = sealer_of(connection).open(
        row.sha256, "local_file", "sha256", row_name(user_id, run_id, name)
    )
    return LocalFile(**{**row._mapping, "sha256": digest})


def uploaded_bytes(connection: Connection, user_id: str) -> int:
    """Return the total size of a user's uploads, without the files of events."""
    columns = local_file.c
    total = select(func.coalesce(func.sum(columns.size), 0)).where(
        columns.user_id == user_id,
        columns.run_id == "",
        ~columns.name.startswith(EVENT_FILE_PREFIX, autoescape=True),
    )
    return int(connection.execute(total).scalar_one())


def _same(user_id: str, name: str, run_id: str) -> tuple[ColumnElement[bool], ...]:
    columns = local_file.c
    return columns.user_id == user_id, columns.run_id == run_id, columns.name == name
