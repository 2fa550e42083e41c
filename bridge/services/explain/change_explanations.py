"""Explanations of the events that a comparison of two configurations changed, as trials give them.

The same limits hold for stored events, saved cases and the trials of the admin API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from bridge.core.model import Event
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

#: Returns the events with these ids, in this order; null for one that cannot be read.
ReadEvents = Callable[[Sequence[str]], Iterable["Event | None"]]


def explain_changes(ids: Sequence[str], read: ReadEvents, config: Config) -> dict[str, Any]:
    """Return `explanations` and `explanations_complete` as the result of a trial has them."""
    from bridge.services.trials.explanations import TrialExplanations

    explanations = TrialExplanations(config, has_screen=True)
    for event in read(ids):
        is_full = explanations.is_full
        if event is None:
            explanations.leave_out()
        else:
            explanations.add(event)
        if is_full:
            break
    shape: dict[str, Any] = orjson.loads(orjson.dumps(explanations.as_json()))
    return shape


def read_stored(database: Database) -> ReadEvents:
    """Return the function that reads stored events."""
    from bridge.store.queries.recorded_events import UnreadableEvent, read_named_events

    def read(ids: Sequence[str]) -> Iterator[Event | None]:
        for event in read_named_events(database, ids):
            yield None if isinstance(event, UnreadableEvent) else event

    return read
