"""The changes in the store since the last look: new events, and deliveries with another state."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bridge.core.model import Delivery, Event
from bridge.services.delivery_states import is_over
from bridge.store.queries import events

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

#: Events and deliveries that are remembered at once; of more, the oldest are forgotten.
MAX_REMEMBERED: Final = 2000
Change = tuple[float, Event | Delivery]


class Follower:
    """What is new in the store since the last look: events, and deliveries whose standing has
    changed.
    """

    def __init__(self, database: Database, chosen: Filters) -> None:
        self._database = database
        self._chosen = chosen
        self._event_seq, self._delivery_seq = events.newest(database)
        # by delivery: how it stood when it was last yielded
        self._said: OrderedDict[str, tuple[object, ...]] = OrderedDict()
        # those of them that something is still to become of
        self._open: OrderedDict[str, None] = OrderedDict()
        self._events: OrderedDict[str, None] = OrderedDict()

    def look(self) -> Iterator[Change]:
        """Yield each change with the time at which it was seen; a delivery that ended before it was
        seen is one change.
        """
        # Deliveries are read first and told last, so that an event always comes before its
        # deliveries.
        moving = events.moving(self._database, self._delivery_seq, self._open, self._chosen)
        for seq, event in events.arrived(self._database, self._event_seq, self._chosen):
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
            if self._said.get(delivery.id) != stands and self._chosen.fits(delivery):
                yield time.time(), delivery
            self._said[delivery.id] = stands
            self._open[delivery.id] = None
            if is_over(delivery):
                del self._open[delivery.id]
        for known in (self._said, self._open, self._events):
            while len(known) > MAX_REMEMBERED:
                known.popitem(last=False)
