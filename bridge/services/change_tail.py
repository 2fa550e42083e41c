"""Changes in the store since a cursor, for a client that polls. Nothing is remembered between.

The cursor holds the numbers of the newest event and delivery, and the states of the newest
deliveries that may still change.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zlib import crc32

import orjson

from bridge.core.model import Delivery, Event, Status
from bridge.services.events.delivery_states import is_over
from bridge.services.lists import WrongCursor
from bridge.store.queries import event_feed
from bridge.store.queries.filters import Filters

if TYPE_CHECKING:
    from bridge.store.db.database import Database

MAX_FOLLOWED: Final = 200  # deliveries whose changes a cursor follows
MAX_TAIL_CURSOR_CHARS: Final = 6000
MAX_NUMBER: Final = 1 << 62
#: Of filters on what changes: events behind the newest that are looked at again in each call.
MAX_BEHIND_ROWS: Final = 5000
EVERYTHING: Final = Filters()


@dataclass(frozen=True, slots=True)
class TailCursor:
    """A place in the changes.

    `states`: a digest of the state of each followed delivery, by its number. `seen`: numbers of
    events that may be read again.
    """

    event: int
    delivery: int
    states: Mapping[int, int] = field(default_factory=dict)
    seen: frozenset[int] = frozenset()

    def encode(self) -> str:
        """Return the cursor as clients pass it back."""
        # Numbers as their distance from the newest, which is short.
        states = [[self.delivery - number, digest] for number, digest in self.states.items()]
        seen = [self.event - number for number in self.seen]
        packed = orjson.dumps([self.event, self.delivery, states, seen])
        return urlsafe_b64encode(packed).decode().rstrip("=")


def decode_tail_cursor(text: str) -> TailCursor:
    """Return the cursor of a text. Raises `WrongCursor`."""
    try:
        if len(text) > MAX_TAIL_CURSOR_CHARS:
            raise ValueError
        padded = text + "=" * (-len(text) % 4)
        event, delivery, states, seen = orjson.loads(urlsafe_b64decode(padded.encode()))
        numbers = [event, delivery, *(number for pair in states for number in pair), *seen]
        if not all(type(number) is int and 0 <= number < MAX_NUMBER for number in numbers):
            raise ValueError
        if len(states) > MAX_FOLLOWED or len(seen) > event_feed.OVERLAP_ROWS:
            raise ValueError
        return TailCursor(
            event,
            delivery,
            {delivery - ago: digest for ago, digest in states},
            frozenset(event - ago for ago in seen),
        )
    except (ValueError, TypeError):
        raise WrongCursor("it is not a cursor: pass `next` of the answer before") from None


def start_tail(
    database: Database, filters: Filters = EVERYTHING, *, in_flight: bool = False
) -> TailCursor:
    """Return the cursor at the newest change. Deliveries in flight are followed.

    `in_flight`: these are changes of the first call, too.
    """
    event, delivery = event_feed.newest_numbers(database)
    moving = event_feed.next_deliveries(database, delivery, (), filters)
    # later ones, which may have come between the reads, are changes of the next call
    moving = [
        (number, candidate)
        for number, candidate in moving
        if number <= delivery and not (in_flight and _is_in_flight(candidate))
    ]
    states = {number: _digest(followed) for number, followed in moving[-MAX_FOLLOWED:]}
    again = event_feed.next_events(database, event, filters)
    seen = frozenset(number for number, _ in again if number <= event)
    return TailCursor(event, delivery, states, seen)


def read_tail(
    database: Database, cursor: TailCursor, filters: Filters = EVERYTHING
) -> tuple[Sequence[Event | Delivery], TailCursor]:
    """Return the changes since a cursor that match, and the cursor after them.

    An event precedes its deliveries, since deliveries are read first. A delivery is followed while
    it may come to match.
    """
    newest = event_feed.newest_numbers(database)
    following = event_feed.next_deliveries(database, cursor.delivery, (), filters)
    new = _find_new(following, cursor)
    tracked = event_feed.read_deliveries(database, list(cursor.states))
    changes: list[Event | Delivery] = []
    newest_event = cursor.event
    seen = set(cursor.seen)
    coming = event_feed.next_events(database, cursor.event, filters)
    for number, event in coming:
        if number not in seen:
            changes.append(event)
        seen.add(number)
        newest_event = max(newest_event, number)
    if len(coming) < event_feed.PAGE_ROWS:  # all up to the newest were looked at
        behind = 0 if filters == filters.lasting else MAX_BEHIND_ROWS
        newest_event = max(newest_event, newest[0] - behind)
    states = {}
    newest_delivery = cursor.delivery
    for number, delivery in sorted(dict([*new, *tracked]).items()):
        newest_delivery = max(newest_delivery, number)
        digest = _digest(delivery)
        if cursor.states.get(number) != digest and filters.fits(delivery):
            changes.append(delivery)
        states[number] = digest
    if len(following) < event_feed.PAGE_ROWS:
        newest_delivery = max(newest_delivery, newest[1])
    overlap = 0 if database.is_sqlite else event_feed.OVERLAP_ROWS
    ended = {number for number, delivery in [*new, *tracked] if is_over(delivery)}
    followed = sorted(
        number for number in states if number not in ended or number > newest_delivery - overlap
    )[-MAX_FOLLOWED:]
    kept = sorted(number for number in seen if number > newest_event - overlap)[-overlap:]
    after = TailCursor(
        newest_event,
        newest_delivery,
        {number: states[number] for number in followed},
        frozenset(kept if overlap else ()),
    )
    return changes, after


def _is_in_flight(delivery: Delivery) -> bool:
    return delivery.status is Status.SENDING or (
        delivery.status is Status.DELIVERED and not is_over(delivery)
    )


def _find_new(
    following: Sequence[tuple[int, Delivery]], cursor: TailCursor
) -> list[tuple[int, Delivery]]:
    """Return deliveries that the cursor does not follow yet: those planned since, or maybe since,
    and the newest of the older ones in flight, as many as it can follow.
    """
    others = [pair for pair in following if pair[0] not in cursor.states]
    border = cursor.delivery - event_feed.OVERLAP_ROWS
    older = [pair for pair in others if pair[0] <= border]
    room = max(MAX_FOLLOWED - len(cursor.states), 0)
    return [
        *older[len(older) - min(room, len(older)) :],
        *(pair for pair in others if pair[0] > border),
    ]


def _digest(delivery: Delivery) -> int:
    stands = (
        delivery.status,
        delivery.run_state,
        delivery.attempts,
        delivery.throttled,
        delivery.reason,
    )
    return crc32(repr(stands).encode("utf-8", "surrogatepass"))
