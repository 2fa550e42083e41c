"""The events of deliveries whose outcome is unknown, read for many deliveries at once."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.model import Event
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.queries.events import LISTED_EVENTS
from bridge.store.tables.rows import to_event
from bridge.store.tables.schema import event


def read_listed_events(database: Database, ids: Sequence[str]) -> dict[str, Event]:
    """Return the events with these ids that are still stored, by id, without body and headers."""
    found: dict[str, Event] = {}
    for page in split_ids(ids):
        query = LISTED_EVENTS.where(event.c.id.in_(page))
        with database.read() as connection:
            rows = connection.execute(query).all()
        found |= {row.id: to_event(row, database.sealer) for row in rows}
    return found
