"""Changes in the store since the last check: new events, and deliveries whose state changed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bridge.core.model import Delivery, Event
from bridge.services.bridge_reader import ChangeShape
from bridge.services.delivery_states import is_over
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.store.inbound import events
from bridge.store.queries import event_feed

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

#: Events and deliveries that are remembered; of more, the oldest are dropped.
MAX_REMEMBERED: Final = 2000
Change = tuple[float, Event | Delivery]


class ChangeFeed:
    """Finds new events, and deliveries whose state has changed, since the last call."""

    def __init__(self, database: Database, chosen: Filters) -> None:
        self._database = database
        self._chosen = chosen
        self._event_seq, self._delivery_seq = event_feed.newest_numbers(database)
        # by delivery: its state when it was last yielded
        self._yielded: OrderedDict[str, tuple[object, ...]] = OrderedDict()
        # those of them that may still change
        self._open: OrderedDict[str, None] = OrderedDict()
        self._events: OrderedDict[str, None] = OrderedDict()

    def read_changes(self) -> Iterator[Change]:
        """Yield each change with the time at which it was seen.

        A delivery that ended before it was seen is one change.
        """
        # Deliveries are read first and yielded last: an event always precedes its deliveries.
        moving = event_feed.next_deliveries(
            self._database, self._delivery_seq, self._open, self._chosen
        )
        for seq, event in event_feed.next_events(self._database, self._event_seq, self._chosen):
            self._event_seq = max(self._event_seq, seq)
            if event.id not in self._events:
                self._events[event.id] = None
                yield event.received_at, event
        for seq, delivery in moving:
            self._delivery_seq = max(self._delivery_seq, seq)
            stands = (
                delivery.status,
                delivery.run_state,
                delivery.attempts,
                delivery.throttled,
                delivery.reason,
            )
            if self._yielded.get(delivery.id) != stands and self._chosen.fits(delivery):
                yield time.time(), delivery
            self._yielded[delivery.id] = stands
            self._yielded.move_to_end(delivery.id)  # what is read again must not be forgotten
            self._open[delivery.id] = None
            if is_over(delivery):
                del self._open[delivery.id]
        for known in (self._yielded, self._open, self._events):
            while len(known) > MAX_REMEMBERED:
                known.popitem(last=False)


def describe_change(database: Database, at: float, change: Event | Delivery) -> ChangeShape:
    """Return a change as JSON; an event with the deliveries that it has now."""
    if isinstance(change, Delivery):
        return ChangeShape(at, delivery=DELIVERY.write(change))
    deliveries = events.deliveries_of(database, [change.id])[change.id]
    return ChangeShape(at, event=EVENT.write(change, deliveries=deliveries))
