"""Events that a route missed by one clause, or would match now, newest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bridge.core.model import Event
from bridge.core.retention import is_content_deleted
from bridge.routing.explain.explanation import Rank, RouteExplanation
from bridge.services.explain.explanations import RouteChoice, explain_event
from bridge.services.lists import NEWEST, PageRequest, list_events
from bridge.store.queries.filters import Filters
from bridge.store.queries.recorded_events import UnreadableEvent, read_named_events

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config, Route
    from bridge.store.db.database import Database

MAX_READ_EVENTS: Final = 50  # that are explained for one answer
MAX_SHOWN_MISSES: Final = 20
BODIES_AT_ONCE: Final = 5  # each may have some MiB
MAX_READ_BYTES: Final = 16 * 1024 * 1024
MAX_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedEvent:
    """An event without a delivery of the route, with the explanation.

    It either fails one clause, or it matches by the present configuration.
    """

    event: Event
    explanation: RouteExplanation


@dataclass(frozen=True, slots=True, kw_only=True)
class MissSearch:
    """The events that were found.

    `read`: how many events were explained, and `planned`: how many of those passed have a delivery
    of the route. `next`: where the search goes on, as in a list of events, null if no older event
    is left; `looked_until`: the time of the oldest event that was looked at.
    """

    misses: Sequence[MissedEvent]
    read: int
    planned: int
    next: str | None
    looked_until: float | None


@dataclass(slots=True)
class _Allowance:
    """The limits of one search that are left."""

    clock: Callable[[], float]
    ends_at: float
    bytes: int = MAX_READ_BYTES
    found: list[MissedEvent] = field(default_factory=list)

    @property
    def is_spent(self) -> bool:
        is_full = len(self.found) >= MAX_SHOWN_MISSES
        return is_full or self.bytes <= 0 or self.clock() >= self.ends_at


def find_near_misses(
    database: Database,
    settings: Settings,
    config: Config,
    route: Route,
    *,
    request: PageRequest = NEWEST,
    clock: Callable[[], float] = time.monotonic,
) -> MissSearch:
    """Return the newest events of the route's source that it nearly matches, from `request.before`.

    Spam, events with a problem and deleted bodies are passed over: no route sees them. So are
    events that cannot be decrypted here.
    """
    filters = Filters(source=route.source, spam=False)
    page = list_events(database, filters).read_page(replace(request, limit=MAX_READ_EVENTS))
    left = _Allowance(clock, clock() + MAX_SECONDS)
    read = 0
    planned = 0
    last: Event | None = None
    for at in range(0, len(page.items), BODIES_AT_ONCE):
        if at and left.is_spent:
            break
        part = page.items[at : at + BODIES_AT_ONCE]
        last = part[-1][0]
        open_ids = [
            event.id
            for event, deliveries in part
            if event.problem is None
            and all(delivery.route != route.name for delivery in deliveries)
        ]
        planned += sum(
            any(delivery.route == route.name for delivery in deliveries) for _, deliveries in part
        )
        for event in read_named_events(database, open_ids):
            if isinstance(event, UnreadableEvent) or is_content_deleted(event):
                continue
            read += 1
            left.bytes -= len(event.body)
            explained = explain_event(
                database, settings, event, RouteChoice(route=route.name), lambda: config
            )
            left.found += [
                MissedEvent(event=event, explanation=explanation)
                for explanation in explained.routes
                if explanation.rank <= Rank.ONE_CLAUSE_AWAY
            ]
    is_whole = last is None or last is page.items[-1][0]
    return MissSearch(
        misses=left.found,
        read=read,
        planned=planned,
        next=page.next if is_whole or last is None else last.id,
        looked_until=page.looked_until if is_whole or last is None else last.received_at,
    )
