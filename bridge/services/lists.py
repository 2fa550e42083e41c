"""Pages of events, deliveries and other records, each within a budget, continued by a cursor."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from bridge.core.audit import AuditEntry
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, DeadKind, Delivery, Event, Reject, RunState, Status
from bridge.core.operations import Operation, OperationStep
from bridge.core.times import iso
from bridge.services.delivery_states import describe_state
from bridge.store.audit import audit_walk, to_entry
from bridge.store.db.row_walk import Budget, RowWalk, read_age, read_page
from bridge.store.inbound.rejects import reject_walk, to_reject
from bridge.store.operations.operation_records import list_items, operation_walk, to_operation
from bridge.store.queries import events as event_queries
from bridge.store.tables.rows import to_delivery

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.encryption import Sealer
    from bridge.store.queries.filters import Filters

T = TypeVar("T")

MAX_PAGE_ITEMS: Final = 500
DEFAULT_PAGE_ITEMS: Final = 50
MAX_PAGE_REJECTS: Final = 20  # each is diagnosed
MAX_CURSOR_CHARS: Final = 100


class WrongCursor(InvalidRequest):
    """A cursor that belongs to another list or to other filters."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for a page: at most `limit` items below the number `before`, or the newest.

    `digest` is that of the list and its filters, for the cursor of the following page.
    """

    limit: int = DEFAULT_PAGE_ITEMS
    before: int | None = None
    digest: str = ""

    def make_cursor(self, before: int | None) -> str | None:
        """Return the cursor of the page below a number, as clients pass it back; null for none."""
        if before is None:
            return None
        return urlsafe_b64encode(f"{before}.{self.digest}".encode()).decode().rstrip("=")


NEWEST: Final = PageRequest()


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

    def as_json(self, describe: Callable[[T], JSON]) -> dict[str, JSON]:
        """Return the page in the shape of the admin API; `describe` returns the JSON of an item."""
        return self.as_json_of([describe(one) for one in self.items])

    def as_json_of(self, items: list[JSON]) -> dict[str, JSON]:
        """Return the page in the shape of the admin API, with the JSON of its items."""
        return {
            "items": items,
            "next": self.next,
            "complete": self.next is None,
            "looked_until": iso(self.looked_until),
        }


def page_events(
    database: Database,
    filters: Filters,
    asked: PageRequest = NEWEST,
    budget: Budget | None = None,
) -> ListPage[tuple[Event, Sequence[Delivery]]]:
    """Return events with their deliveries, without bodies and headers."""
    walk = event_queries.event_walk(database, filters)
    return _read(
        database, walk, asked, lambda rows: event_queries.with_deliveries(database, rows), budget
    )


def page_deliveries(
    database: Database,
    filters: Filters,
    asked: PageRequest = NEWEST,
    budget: Budget | None = None,
) -> ListPage[Delivery]:
    """Return deliveries without inputs and log."""
    walk = event_queries.delivery_walk(database, filters)
    return _read(database, walk, asked, _each(database, to_delivery), budget)


def page_states(database: Database, filters: Filters, asked: PageRequest = NEWEST) -> ListPage[str]:
    """Return only the states of deliveries, for counts."""
    walk = event_queries.delivery_walk(database, filters, event_queries.DELIVERY_STATES)
    return _read(database, walk, asked, lambda rows: map(_describe_row, rows))


def page_rejects(
    database: Database,
    asked: PageRequest,
    *,
    source: str | None = None,
    since: float | None = None,
) -> ListPage[Reject]:
    """Return rejects with their requests, each of which may have 64 KiB."""
    walk = reject_walk(source=source, since=since)
    return _read(database, walk, asked, _each(database, to_reject))


def page_operations(
    database: Database,
    asked: PageRequest,
    *,
    since: float | None = None,
    unfinished: bool = False,
) -> ListPage[Operation]:
    """Return operations, without their items; `unfinished`: only those with items left."""
    walk = operation_walk(since=since, unfinished=unfinished)
    return _read(database, walk, asked, _each(database, to_operation))


def page_audit(
    database: Database,
    asked: PageRequest,
    *,
    since: float | None = None,
    action: str | None = None,
) -> ListPage[AuditEntry]:
    """Return entries of the audit log."""
    walk = audit_walk(since=since, action=action)
    return _read(database, walk, asked, _each(database, to_entry))


def page_items(
    database: Database, operation: Operation, asked: PageRequest, *, outcome: str | None = None
) -> ListPage[OperationStep]:
    """Return items of an operation in their order, behind the number `asked.before`.

    `outcome`: `done`, `refused`, or `open` for those that are not processed yet.
    """
    found = list_items(
        database,
        operation,
        outcome=outcome,
        after=asked.before or 0,
        limit=asked.limit + 1,
    )
    items = list(found)
    last = items[asked.limit - 1].number if len(items) > asked.limit else None
    return ListPage(items[: asked.limit], asked.make_cursor(last), None)


def _read(
    database: Database,
    walk: RowWalk,
    asked: PageRequest,
    to_items: Callable[[Sequence[Any]], Iterable[T]],
    budget: Budget | None = None,
) -> ListPage[T]:
    page = read_page(database, walk, asked.limit, before=asked.before, budget=budget)
    until = None if page.before is None else read_age(database, walk, page.before)
    return ListPage(list(to_items(page.rows)), asked.make_cursor(page.before), until)


def _each(
    database: Database, to_item: Callable[[Any, Sealer], T]
) -> Callable[[Sequence[Any]], Iterable[T]]:
    return lambda rows: [to_item(row, database.sealer) for row in rows]


def _describe_row(row: Any) -> str:
    return describe_state(
        Status(row.status),
        DeadKind(row.dead_kind) if row.dead_kind else None,
        RunState(row.run_state) if row.run_state else None,
    )
