"""Pages of events, deliveries and rejects, each within a budget and continued by a cursor."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sqlalchemy import select

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, Delivery, Event
from bridge.core.operations import Operation, OperationStep, StepOutcome
from bridge.core.times import iso
from bridge.store.operations.log import list_items, to_operation
from bridge.store.queries import events as event_queries
from bridge.store.queries.walk import Budget, RowPage, RowWalk, read_age, read_page
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import act, delivery, event

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

T = TypeVar("T")

MAX_PAGE_ITEMS: Final = 500
DEFAULT_PAGE_ITEMS: Final = 50
MAX_CURSOR_CHARS: Final = 100
OPEN_ITEMS: Final = "open"  # beside the outcomes of items


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


def page_operations(
    database: Database,
    *,
    since: float | None = None,
    unfinished: bool = False,
    limit: int = DEFAULT_PAGE_ITEMS,
    before: int | None = None,
    digest: str = "",
) -> ListPage[Operation]:
    """Return operations, without their items; `unfinished`: only those with items left."""
    conditions = [act.c.finished_at.is_(None)] if unfinished else []
    conditions += [] if since is None else [act.c.created_at >= since]
    walk = RowWalk(table=act, query=select(act), conditions=conditions)
    page = read_page(database, walk, limit, before=before)
    items = [to_operation(row, database.sealer) for row in page.rows]
    return ListPage(items, _next(page, digest), _looked_until(database, walk, page))


def page_items(
    database: Database,
    operation: Operation,
    *,
    outcome: str | None = None,
    limit: int = DEFAULT_PAGE_ITEMS,
    after: int | None = None,
    digest: str = "",
) -> ListPage[OperationStep]:
    """Return items of an operation in their order, behind the number `after`.

    `outcome`: `done`, `refused`, or `open` for those that are not processed yet.
    """
    is_open = outcome == OPEN_ITEMS
    found = list_items(
        database,
        operation,
        outcome=StepOutcome(outcome) if outcome and not is_open else None,
        is_open=is_open,
        after=after or 0,
        limit=limit + 1,
    )
    items = list(found)
    more = len(items) > limit
    last = Cursor(items[limit - 1].number, digest).as_text() if more else None
    return ListPage(items[:limit], last, None)


def _next(page: RowPage, digest: str) -> str | None:
    return None if page.before is None else Cursor(page.before, digest).as_text()


def _looked_until(database: Database, walk: RowWalk, page: RowPage) -> float | None:
    if page.before is None:
        return None
    ages = {
        event.name: event.c.received_at,
        delivery.name: delivery.c.created_at,
        act.name: act.c.created_at,
    }
    found: float | None = read_age(database, walk, ages[walk.table.name], page.before)
    return found
