"""Pages of events, deliveries and rejects, each within a budget and continued by a cursor."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, Delivery, Event
from bridge.core.times import iso
from bridge.store.queries import events as event_queries
from bridge.store.queries.walk import Budget, RowPage, RowWalk, read_age, read_page
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery, event

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

T = TypeVar("T")

MAX_PAGE_ITEMS: Final = 500
DEFAULT_PAGE_ITEMS: Final = 50
MAX_CURSOR_CHARS: Final = 100


class WrongCursor(InvalidRequest):
    """A cursor that belongs to another list or to other filters."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one list with certain filters."""

    before: int
    digest: str

    def as_text(self) -> str:
        """Return the cursor as clients pass it back."""
        return urlsafe_b64encode(f"{self.before}.{self.digest}".encode()).decode().rstrip("=")


def digest_filters(list_name: str, filters: Mapping[str, JSON]) -> str:
    """Return a digest of a list and its filters, as they were given."""
    given = sorted((name, repr(value)) for name, value in filters.items() if value is not None)
    return hashlib.sha256(repr((list_name, given)).encode()).hexdigest()[:16]


def parse_cursor(text: str | None, digest: str) -> int | None:
    """Return the number that a page starts below. `WrongCursor` where it is of another list."""
    if text is None:
        return None
    try:
        if len(text) > MAX_CURSOR_CHARS:
            raise ValueError
        padded = text + "=" * (-len(text) % 4)
        number, _, of = urlsafe_b64decode(padded.encode()).decode().partition(".")
        before = int(number)
    except ValueError:
        raise WrongCursor("it is not a cursor: pass `next` of the page before") from None
    if of != digest or not 0 < before < 1 << 63:
        raise WrongCursor(
            "it belongs to another list or other filters: leave it out to start at the newest"
        )
    return before


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """One page of a list, newest first.

    `next` is the cursor of the following page, null if no row is left. `looked_until`: if rows are
    left, the time of the oldest row that was looked at.
    """

    items: Sequence[T]
    next: str | None
    looked_until: float | None

    def as_json(self, items: Sequence[JSON]) -> dict[str, JSON]:
        """Return the page with these items in the shape of the admin API."""
        return {
            "items": list(items),
            "next": self.next,
            "complete": self.next is None,
            "looked_until": iso(self.looked_until),
        }


def page_events(
    database: Database,
    filters: Filters,
    *,
    limit: int = DEFAULT_PAGE_ITEMS,
    before: int | None = None,
    digest: str = "",
    budget: Budget | None = None,
) -> ListPage[tuple[Event, Sequence[Delivery]]]:
    """Return events with their deliveries, without bodies and headers."""
    walk = event_queries.event_walk(database, filters)
    page = read_page(database, walk, limit, before=before, budget=budget)
    items = list(event_queries.with_deliveries(database, page.rows))
    until = _looked_until(database, walk, page)
    return ListPage(items, _next(page, digest), until)


def page_deliveries(
    database: Database,
    filters: Filters,
    *,
    limit: int = DEFAULT_PAGE_ITEMS,
    before: int | None = None,
    digest: str = "",
    budget: Budget | None = None,
) -> ListPage[Delivery]:
    """Return deliveries without inputs and log."""
    walk = event_queries.delivery_walk(database, filters)
    page = read_page(database, walk, limit, before=before, budget=budget)
    items = [to_delivery(row, database.sealer) for row in page.rows]
    until = _looked_until(database, walk, page)
    return ListPage(items, _next(page, digest), until)


def _next(page: RowPage, digest: str) -> str | None:
    return None if page.before is None else Cursor(page.before, digest).as_text()


def _looked_until(database: Database, walk: RowWalk, page: RowPage) -> float | None:
    if page.before is None:
        return None
    ages = {event.name: event.c.received_at, delivery.name: delivery.c.created_at}
    found: float | None = read_age(database, walk, ages[walk.table.name], page.before)
    return found
