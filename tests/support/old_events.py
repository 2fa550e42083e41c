"""Stores events that are old enough to be deleted, and lists the deliveries that keep them."""

from __future__ import annotations

from records import NOW, make_delivery, make_event, put

from bridge.core.model import Delivery, Event
from bridge.core.units import DAY
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events

OLD = NOW - 100 * DAY
CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="c" * 64, canonical="{}")


def keep(database: Database, event: Event, *deliveries: Delivery) -> Event:
    events.add(database, event, list(deliveries), lambda *_: [])
    return event


def old_event(
    database: Database, status: str = "delivered", at: float = OLD, **columns: object
) -> tuple[Event, Delivery]:
    """Keep an event of long ago with one delivery that stands so, and which ended then."""
    event = make_event(None, now=at)
    delivery = make_delivery(event, now=at)
    keep(database, event, delivery)
    put(database, delivery.id, **({"status": status, "finished_at": at} | columns))
    return event, delivery


UNFINISHED: dict[str, dict[str, object]] = {
    "queued": {"status": "queued", "finished_at": None},
    "sending": {"status": "sending", "finished_at": None, "lease": "w", "lease_until": OLD},
    "unknown": {"status": "unknown", "finished_at": None},
    "blocked": {"status": "blocked", "finished_at": None, "order_key": "k"},
    "followed": {"poll_at": NOW, "finished_at": None, "delivered_at": OLD},
    "in a slot": {"slot": True},
    # it becomes that by coming in
    "the head of its line": {"status": "dead", "order_key": "k", "order_blocks": True},
    "ended lately": {"finished_at": NOW - 3 * DAY},
    "delivered lately": {"finished_at": None, "delivered_at": NOW - 3 * DAY},
    "replayed lately": {"status": "cancelled", "finished_at": None, "created_at": NOW - 3 * DAY},
}
