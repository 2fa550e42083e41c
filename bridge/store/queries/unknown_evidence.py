"""The events of deliveries whose outcome is unknown, and the latest runs of their flows.

Each function reads those of many deliveries at once: a page of deliveries takes a few statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import select, text

from bridge.core.model import Delivery, Event
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.queries.events import LISTED_DELIVERIES, LISTED_EVENTS
from bridge.store.tables.rows import to_delivery, to_event
from bridge.store.tables.schema import delivery, event

MAX_LATEST_RUN_ROWS: Final = 2000  # newest deliveries read for the latest run of a flow

#: A flow of a platform, as deliveries name it.
FlowKey = tuple[str, str]


def flow_key(one: Delivery) -> FlowKey:
    """Return the platform of a delivery and the flow's id there."""
    return one.platform, one.saved_item_id


def read_listed_events(database: Database, ids: Sequence[str]) -> dict[str, Event]:
    """Return the events with these ids that are still stored, by id, without body and headers."""
    found: dict[str, Event] = {}
    for page in split_ids(ids):
        query = LISTED_EVENTS.where(event.c.id.in_(page))
        with database.read() as connection:
            rows = connection.execute(query).all()
        found |= {row.id: to_event(row, database.sealer) for row in rows}
    return found


def read_latest_runs(
    database: Database, flows: Iterable[FlowKey], *, most: int = MAX_LATEST_RUN_ROWS
) -> dict[FlowKey, Delivery]:
    """Return the delivery of each of these flows that last started a run, by flow.

    Only the newest `most` deliveries are read, for each flow until its run is found.
    """
    seq = delivery.c.seq
    found: dict[FlowKey, Delivery] = {}
    with database.read() as connection:
        newest = select(seq).order_by(seq.desc()).offset(most - 1).limit(1)
        oldest = connection.execute(newest).scalar() or 0
        for key in dict.fromkeys(flows):
            platform, saved_item_id = key
            row = connection.execute(
                LISTED_DELIVERIES.where(
                    text("delivery.run_id IS NOT NULL"),
                    delivery.c.platform == platform,
                    delivery.c.saved_item_id == saved_item_id,
                    seq >= oldest,
                )
                .order_by(seq.desc())
                .limit(1)
            ).one_or_none()
            if row is not None:
                found[key] = to_delivery(row, database.sealer)
    return found
