"""Builds events, deliveries and local runs for tests, and puts a delivery into any state."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import count
from typing import Any

from bridge.core.clock_reading import ClockReading
from bridge.core.local_runs import LocalRun, LocalState
from bridge.core.model import Delivery, Event, Status
from bridge.delivery.reconcile import Window, window_by_clocks
from bridge.flows.ids import new_run_id
from bridge.routing.planner import delivery_id
from bridge.store.db.database import Database
from bridge.store.queue import heartbeats
from bridge.store.tables import schema
from bridge.system.ids import event_id

NOW = 1_764_000_000.0
_numbers = count(1)


def put(database: Database, delivery_id: str, **columns: object) -> None:
    """Have a delivery stand as no step of the ledger may have put it: its row is taken out and put
    in again.
    """
    with database.engine.begin() as connection:
        row = connection.execute(
            schema.delivery.select().where(schema.delivery.c.id == delivery_id)
        ).one()
        connection.execute(schema.delivery.delete().where(schema.delivery.c.id == delivery_id))
        connection.execute(schema.delivery.insert().values({**row._mapping, **columns}))


def beat_at(database: Database, now: float) -> None:
    """Store the heartbeat of a worker."""
    database.write(lambda connection: heartbeats.beat(connection, "w", "here", 1, now))


def make_event(
    provider_id: str | None = None, *, now: float = NOW, body: bytes = b'{"n":1}', **changes: object
) -> Event:
    """Return an event of the source `github`; each call gives another id."""
    event = Event(
        id=event_id(now + next(_numbers) / 1000),
        source="github",
        provider="github",
        type="issues",
        provider_id=provider_id,
        received_at=now,
        headers={"content-type": "application/json"},
        query_string="",
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        config_hash="0" * 64,
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def make_delivery(
    event: Event, route: str = "triage", *, now: float = NOW, **changes: object
) -> Delivery:
    """Return a queued delivery of `event` to the flow echo of the platform `local`."""
    delivery = Delivery(
        id=delivery_id(event.id, route),
        event_id=event.id,
        route=route,
        flow="local/echo",
        platform="local",
        saved_item_id="echo",
        inputs={"title": "Found a bug"},
        status=Status.QUEUED,
        created_at=now,
        due_at=now,
        config_hash=event.config_hash,
    )
    return replace(delivery, **changes)  # type: ignore[arg-type]


def make_local_run(flow: str = "echo", **changes: Any) -> LocalRun:
    """Return a queued run of a flow of the local platform; each call gives another id."""
    run = LocalRun(
        id=new_run_id(),
        saved_item_id=flow,
        user_id="u",
        inputs="{}",
        state=LocalState.QUEUED,
        created_at=NOW,
    )
    return replace(run, **changes)


def attempt_window(began_at: float, timeout: float) -> Window:
    """Return the window of an attempt during which no clock was set."""
    reading = ClockReading(at=began_at)
    return window_by_clocks(reading, reading, timeout)
