"""Stores the events of several requests together, as a receiver does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from records import make_delivery

from bridge.core.model import Event, Order
from bridge.ingest.ports import EventsStored, Replan, StoringFailed, StoringWaits
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.inbound.arrivals import Arrival


def never(*_: object) -> list:
    raise AssertionError("nothing is to be planned again")


def asked(*each: Event, order: Order | None = None) -> tuple[list[Arrival], Replan]:
    """Return a request with these events, each of which has a delivery."""
    return [(event, [make_delivery(event, order=order)]) for event in each], never


def add_each(
    database: Database,
    requests: Sequence[tuple[Sequence[Arrival], Replan]],
    *,
    waits: bool = True,
) -> list[Any]:
    """Store requests; return the result of each, or its error."""
    results: list[Any] = []
    for result in events.add_each(database, requests, waits=waits):
        try:
            match result:
                case EventsStored(stored):
                    results.append(stored)
                case StoringFailed(error):
                    results.append(error)
                case StoringWaits(finish):
                    results.append(finish())
        except Exception as error:
            results.append(error)
    return results
