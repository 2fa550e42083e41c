"""What `flowbridge status` and /readyz count as overdue."""

from __future__ import annotations

import time
from typing import Any

from records import make_delivery, make_event
from sqlalchemy import update

from bridge.core.status import OverdueWork
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries.overdue import count_overdue
from bridge.store.tables import schema

DAY = 86400.0


def planned(database: Database, now: float) -> str:
    event = make_event(None, now=now)
    delivery = make_delivery(event, now=now)
    events.add(database, event, [delivery], lambda *_: [])
    return delivery.id


def test_what_is_overdue_or_lies_too_far_ahead_is_counted(database: Database) -> None:
    now = time.time()
    one, other, third = (planned(database, now) for _ in range(3))
    held: dict[str, Any] = {"status": "sending", "lease": "l", "slot": True}
    with database.engine.begin() as connection:
        row = schema.delivery.c
        connection.execute(update(schema.delivery).values(held | {"lease_until": now}))
        connection.execute(
            update(schema.delivery).where(row.id == one).values(lease_until=now - 3600)
        )
        followed: dict[str, Any] = {
            "status": "delivered",
            "lease": None,
            "lease_until": None,
            "delivered_at": now,
        }
        connection.execute(
            update(schema.delivery)
            .where(row.id == other)
            .values(followed | {"poll_at": now - 3600})
        )
        connection.execute(
            update(schema.delivery).where(row.id == third).values(followed | {"poll_at": now + DAY})
        )
    with database.read() as connection:
        assert count_overdue(connection, now) == OverdueWork(leases=1, looks=1, ahead=1)
        assert count_overdue(connection, now - 3600) == OverdueWork(leases=0, looks=0, ahead=3)
