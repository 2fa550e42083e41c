"""The files of the embedded local platform by name: uploaded, or kept by a run. Their bytes are blobs; see `bridge.blobs`."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, func, select, text

from bridge.model import LocalFile
from bridge.store.tables import local_file

#: The same on both databases. Of two that keep a file of one name at the same moment the later stays.
KEEP = text(
    "INSERT INTO local_file (user_id, run_id, name, sha256, size, created_at) "
    "VALUES (:user_id, :run_id, :name, :sha256, :size, :created_at) "
    "ON CONFLICT (user_id, run_id, name) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, created_at = excluded.created_at"
)


def keep_file(connection: Connection, file: LocalFile) -> None:
    """Keep what is known of a file; one of the same user, run and name is replaced."""
    connection.execute(KEEP, asdict(file))


def file(connection: Connection, user_id: str, name: str, run_id: str = "") -> LocalFile | None:
    """Return the file of that name: uploaded by the user, or kept by the run."""
    row = connection.execute(select(local_file).where(*_same(user_id, name, run_id))).one_or_none()
    return None if row is None else LocalFile(**row._mapping)


def uploaded(connection: Connection, user_id: str) -> int:
    """Return how many bytes the files have that the user has uploaded."""
    columns = local_file.c
    total = select(func.coalesce(func.sum(columns.size), 0)).where(columns.user_id == user_id, columns.run_id == "")
    return int(connection.execute(total).scalar_one())


def _same(user_id: str, name: str, run_id: str) -> tuple[ColumnElement[bool], ...]:
    columns = local_file.c
    return columns.user_id == user_id, columns.run_id == run_id, columns.name == name
