"""Count the bytes that the networks of a form's senders have stored: files, and today's bodies.

The count changes with the events, in the same transactions. A network is stored only as the number
of its group: see `bridge.ingest.forms.room`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Row, select, text

from bridge.core.rate_limits import day_of
from bridge.ingest.forms.room import StoredBytes
from bridge.store.db.database import Database
from bridge.store.inbound import daily_bytes, form_files
from bridge.store.tables.schema import network_bytes

_ADD: Final = text(
    "INSERT INTO network_bytes (source, network, files, day, today) VALUES (:source, :network,"
    " :files, :day, :today) ON CONFLICT (source, network) DO UPDATE SET"
    " files = network_bytes.files + :files, today = CASE WHEN network_bytes.day = :day THEN"
    " network_bytes.today ELSE 0 END + :today, day = :day RETURNING files, today"
)


def add_bytes(
    connection: Connection, source: str, network: int, files: int, body: int, now: float
) -> tuple[int, int]:
    """Count bytes of a submission; return what its network had stored before: files, and today."""
    values = {
        "source": source,
        "network": network,
        "files": files,
        "day": day_of(now),
        "today": body,
    }
    stored = connection.execute(_ADD, values).one()
    return stored.files - files, stored.today - body


def stored_bytes(database: Database, source: str, network: int | None, now: float) -> StoredBytes:
    """Return how many bytes a form has stored, and one network of its senders."""
    of_network = select(network_bytes).where(
        network_bytes.c.source == source, network_bytes.c.network == network
    )
    with database.read() as connection:
        stored: Row[tuple[int, ...]] | None = connection.execute(of_network).first()
        return StoredBytes(
            files=form_files.stored_bytes(connection).get(source, 0),
            today=daily_bytes.stored_today(connection, now).get(source, 0),
            files_of_network=stored.files if stored else 0,
            today_of_network=stored.today if stored and stored.day == day_of(now) else 0,
        )
