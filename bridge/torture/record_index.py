"""The rows of the store and the records of the platform, indexed for the checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.store.queries.census import AttemptRow, DeliveryRow, EventRow, StoreRows
from bridge.torture.records import Start
from bridge.torture.scenarios import SOURCE_NAME, Scenario


@dataclass(slots=True)
class RecordIndex:
    """The records of one run, each indexed by the key that the checks look up."""

    scenarios: dict[str, Scenario]  # by route
    events: dict[str, EventRow]  # by event id
    by_sender: dict[str, list[EventRow]]  # by the sender's id
    deliveries: dict[tuple[str, str], DeliveryRow]  # by event id and route
    by_id: dict[str, DeliveryRow]  # by delivery id
    attempts: dict[str, list[AttemptRow]]  # by delivery id
    starts: dict[tuple[str, str], list[Start]]  # by event id and route


def index_records(
    scenarios: Iterable[Scenario], rows: StoreRows, starts: Iterable[Start]
) -> RecordIndex:
    """Return the index of the scenarios, the store's rows and the platform's starts."""
    by_sender = defaultdict(list)
    attempts = defaultdict(list)
    started = defaultdict(list)
    for event in rows.events:
        if event.source == SOURCE_NAME and event.provider_id is not None:
            by_sender[event.provider_id].append(event)
    for attempt in rows.attempts:
        attempts[attempt.delivery_id].append(attempt)
    for start in starts:
        started[start.event_id, start.route].append(start)
    return RecordIndex(
        scenarios={scenario.route: scenario for scenario in scenarios},
        events={event.id: event for event in rows.events},
        by_sender=by_sender,
        deliveries={(delivery.event_id, delivery.route): delivery for delivery in rows.deliveries},
        by_id={delivery.id: delivery for delivery in rows.deliveries},
        attempts=attempts,
        starts=started,
    )
