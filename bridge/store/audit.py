"""The audit log in the store: entries are added with the change that they record, and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bridge.core.audit import ACCESS_ACTIONS, AuditEntry
from bridge.ingest.data_subjects import fold_text
from bridge.store.db.database import Database
from bridge.store.db.row_walk import RowWalk, read_chunks
from bridge.store.encryption import Sealer
from bridge.store.tables.encrypted import encrypt_row, sealer_of
from bridge.store.tables.schema import audit

MAX_AUDIT_ROWS: Final = 10_000  # the oldest are deleted
# Of those that go first, so that a client that exports or guesses on cannot push out the changes.
MAX_ACCESS_ROWS: Final = 5_000
ERASED: Final = "(erased)"
SCRUBBED_COLUMNS: Final = ("actor", "subject", "client")

_access = audit.c.action.in_([action.value for action in ACCESS_ACTIONS])


def add(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry inside the transaction of its change, and delete the oldest beyond the limit."""
    values = encrypt_row(sealer_of(connection), "audit", entry.id, asdict(entry))
    connection.execute(insert(audit).values(values))
    excess = _count(connection) - MAX_AUDIT_ROWS
    if excess <= 0:
        return
    oldest = select(audit.c.seq).order_by(audit.c.seq).limit(excess)
    if _count(connection, _access) > MAX_ACCESS_ROWS:
        oldest = oldest.where(_access)
    connection.execute(delete(audit).where(audit.c.seq.in_(oldest)))


def add_alone(database: Database, entry: AuditEntry) -> None:
    """Add an entry in a transaction of its own, for an action that changes nothing here."""
    database.write(lambda connection: add(connection, entry))


def _count(connection: Connection, *conditions: Any) -> int:
    query = select(func.count()).select_from(audit).where(*conditions)
    return int(connection.execute(query).scalar_one())


def audit_walk(*, since: float | None = None, action: str | None = None) -> RowWalk:
    """Return the walk over the entries that match, newest first."""
    return RowWalk(
        table=audit,
        query=select(audit),
        age=audit.c.at,
        conditions=[
            *([] if since is None else [audit.c.at >= since]),
            *([] if action is None else [audit.c.action == action]),
        ],
    )


def list_entries(
    database: Database, *, since: float | None = None, action: str | None = None, limit: int = 0
) -> Iterator[AuditEntry]:
    """Yield entries, newest first; `limit` 0 is no limit."""
    walk = audit_walk(since=since, action=action)
    for chunk in read_chunks(database, walk, limit=limit):
        yield from (to_entry(row, database.sealer) for row in chunk.rows)


def to_entry(row: Row[Any], sealer: Sealer) -> AuditEntry:
    """Return the entry of a row."""
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        client=sealer.open(row.client, "audit", "client", row.id),
    )


def scrub(database: Database, letters: str) -> int:
    """Erase a data subject from the entries, and return how many changed."""
    sealer = database.sealer

    def work(connection: Connection) -> int:
        changed = 0
        for row in connection.execute(select(audit)).all():
            entry = asdict(to_entry(row, sealer))
            erased = {
                name: ERASED
                for name in SCRUBBED_COLUMNS
                if entry[name] is not None and letters in fold_text(entry[name])
            }
            if erased:
                values = encrypt_row(sealer, "audit", row.id, erased)
                connection.execute(update(audit).where(audit.c.seq == row.seq).values(values))
                changed += 1
        return changed

    return database.write(work)
