"""Secrets that senders deliver in a request: accepted once while allowed, and encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from bridge.core.audit import AuditEntry
from bridge.core.errors import DecryptionError, KeyMissing
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.tables.schema import learned


@dataclass(frozen=True, slots=True)
class LearnedSecret:
    """The stored secret of a source, and how long it may receive one (None: not now)."""

    until: float | None
    sealed: str | None
    learned_at: float | None


def seal(sealer: Sealer, source: str, secret: str) -> str:
    """Encrypt a secret for storage."""
    return sealer.seal(secret, "learned", "sealed", source)


def open_secret(sealer: Sealer, source: str, sealed: str) -> str | None:
    """Decrypt a stored secret; None if that is not possible here."""
    try:
        return sealer.open_old(sealed, "learned", "sealed", source)
    except (KeyMissing, DecryptionError):
        return None


def find(database: Database, source: str) -> LearnedSecret:
    """Return the learned secret of a source; its fields are null if there is none."""
    with database.read() as connection:
        row = connection.execute(select(learned).where(learned.c.source == source)).one_or_none()
    return (
        LearnedSecret(row.until, row.sealed, row.learned_at)
        if row
        else LearnedSecret(None, None, None)
    )


def allow_learning(
    database: Database, source: str, until: float | None, entry: AuditEntry | None = None
) -> None:
    """Allow a source to receive a secret until a time; None ends it. `entry` is recorded with
    it.
    """

    def work(connection: Connection) -> None:
        values: dict[str, Any] = {"until": until}
        if (
            connection.execute(
                update(learned).where(learned.c.source == source).values(values)
            ).rowcount
            == 0
        ):
            connection.execute(insert(learned).values(source=source, **values))
        if entry is not None:
            audit.add(connection, entry)

    database.write(work)


def store_secret(database: Database, source: str, sealed: str, now: float) -> bool:
    """Store a secret if the source may receive one, and end that; return whether it did."""
    open_now = update(learned).where(learned.c.source == source, learned.c.until >= now)
    taking = open_now.values(until=None, sealed=sealed, learned_at=now)
    return bool(database.write(lambda connection: connection.execute(taking).rowcount))
