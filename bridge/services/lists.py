"""Lists of events, deliveries and other records, read by pages with a cursor, or whole by chunks.

A page is read within a budget. Each chunk is read in short transactions that end before the chunk
is returned, so a slow reader keeps none open.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from bridge.core.audit import AuditEntry
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON, DeadKind, Delivery, Event, Reject, RunState, Status
from bridge.core.operations import Operation, OperationStep
from bridge.core.units import iso
from bridge.services.events.delivery_states import describe_state
from bridge.store.audit import audit_walk, to_entry
from bridge.store.db.row_walk import Budget, RowWalk, read_age, read_chunks, read_page
from bridge.store.inbound.rejects import reject_walk, to_reject
from bridge.store.operations.operation_records import list_items, operation_walk, to_operation
from bridge.store.queries import events as event_queries
from bridge.store.queries.row_numbers import find_number
from bridge.store.tables.rows import to_delivery

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

T = TypeVar("T")

MAX_PAGE_ITEMS: Final = 500
DEFAULT_PAGE_ITEMS: Final = 50
MAX_PAGE_REJECTS: Final = 20  # each is diagnosed
MAX_CURSOR_CHARS: Final = 100
CHUNK_ITEMS: Final = 200  # of an operation
MAX_ITEM_DIGITS: Final = 9
MAX_ITEM_NUMBER: Final = 10**MAX_ITEM_DIGITS - 1  # PostgreSQL compares it as four bytes
ID_PREFIXES: Final = {
    "events": "evt_",
    "deliveries": "dlv_",
    "rejects": "rej_",
    "operations": "act_",
    "audit": "aud_",
    "submissions": "evt_",
}
ITEMS_OF: Final = "items of "  # the name of a list, before the id of an operation


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
    pairs = sorted((name, repr(value)) for name, value in filters.items() if value is not None)
    return hashlib.sha256(repr((list_name, pairs)).encode()).hexdigest()[:16]


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


def parse_start(database: Database, list_name: str, text: str | None, digest: str) -> int | None:
    """Return the number that a list goes on from: that of a cursor, or of its last record.

    A record is named by its id, an item of an operation by its number. Raises `WrongCursor`.
    """
    if text is not None and text.startswith(prefix := ID_PREFIXES.get(list_name, "\0")):
        number = find_number(database, prefix, text)
        if number is None:
            raise WrongCursor("the list has no record with that id: it may have been deleted")
        return number
    if not list_name.startswith(ITEMS_OF):
        return parse_cursor(text, digest)
    if text is not None and _is_item_number(text):
        return int(text)
    number = parse_cursor(text, digest)
    if number is not None and number > MAX_ITEM_NUMBER:
        raise WrongCursor("an operation has no item of that number")
    return number


def _is_item_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_ITEM_DIGITS


def write_list(
    items: Iterable[JSON],
    *,
    is_complete: bool = True,
    next_: str | None = None,
    looked_until: float | None = None,
    **more: JSON,
) -> dict[str, JSON]:
    """Return the JSON of a list, or of a page of it. `more`: further keys."""
    return {
        "items": [*items],
        "next": next_,
        "complete": is_complete,
        "looked_until": iso(looked_until),
        **more,
    }


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
        return self.as_json_of(map(describe, self.items))

    def as_json_of(self, items: Iterable[JSON], **more: JSON) -> dict[str, JSON]:
        """Return the page in the shape of the admin API, with the JSON of its items."""
        return write_list(
            items,
            is_complete=self.next is None,
            next_=self.next,
            looked_until=self.looked_until,
            **more,
        )


class ItemList(Protocol[T]):
    """A list of records, newest first."""

    def read_page(self, request: PageRequest = NEWEST) -> ListPage[T]:
        """Return a page."""

    def read_chunks(self, *, before: int | None, limit: int) -> Iterator[Sequence[T]]:
        """Yield the items below the number `before`, at most `limit` of them; 0 is no limit."""


@dataclass(frozen=True, slots=True)
class WalkedList(Generic[T]):
    """A list of the rows of a walk, newest first. `to_items` makes records of rows."""

    database: Database
    walk: RowWalk
    to_items: Callable[[Sequence[Any]], Iterable[T]]

    def read_page(self, request: PageRequest = NEWEST, budget: Budget | None = None) -> ListPage[T]:
        """Return a page, read within a budget."""
        page = read_page(
            self.database, self.walk, request.limit, before=request.before, budget=budget
        )
        until = None if page.before is None else read_age(self.database, self.walk, page.before)
        return ListPage(list(self.to_items(page.rows)), request.make_cursor(page.before), until)

    def read_chunks(self, *, before: int | None = None, limit: int = 0) -> Iterator[Sequence[T]]:
        """Yield the items below the number `before`, at most `limit` of them; 0 is no limit."""
        for chunk in read_chunks(self.database, self.walk, before=before, limit=limit):
            yield list(self.to_items(chunk.rows))


def list_events(
    database: Database, filters: Filters
) -> WalkedList[tuple[Event, Sequence[Delivery]]]:
    """Return events with their deliveries, without bodies and headers."""
    walk = event_queries.event_walk(database, filters)
    return WalkedList(database, walk, lambda rows: event_queries.with_deliveries(database, rows))


def list_deliveries(database: Database, filters: Filters) -> WalkedList[Delivery]:
    """Return deliveries without inputs and log."""
    walk = event_queries.delivery_walk(database, filters)
    return WalkedList(database, walk, _with_sealer(database, to_delivery))


def list_states(database: Database, filters: Filters) -> WalkedList[str]:
    """Return only the states of deliveries, for counts."""
    walk = event_queries.delivery_walk(database, filters, event_queries.DELIVERY_STATES)
    return WalkedList(database, walk, lambda rows: map(_describe_row, rows))


def list_rejects(
    database: Database, *, source: str | None = None, since: float | None = None
) -> WalkedList[Reject]:
    """Return rejects with their requests, each of which may have 64 KiB."""
    walk = reject_walk(source=source, since=since)
    return WalkedList(database, walk, _with_sealer(database, to_reject))


def list_operations(
    database: Database, *, since: float | None = None, unfinished: bool = False
) -> WalkedList[Operation]:
    """Return operations, without their items; `unfinished`: only those with items left."""
    walk = operation_walk(since=since, unfinished=unfinished)
    return WalkedList(database, walk, _with_sealer(database, to_operation))


def list_audit(
    database: Database, *, since: float | None = None, action: str | None = None
) -> WalkedList[AuditEntry]:
    """Return entries of the audit log."""
    walk = audit_walk(since=since, action=action)
    return WalkedList(database, walk, _with_sealer(database, to_entry))


@dataclass(frozen=True, slots=True)
class OperationItems:
    """The items of an operation in their order: a page continues behind the number `before`.

    `outcome`: `done`, `refused`, or `open` for those that are not processed yet.
    """

    database: Database
    operation: Operation
    outcome: str | None = None

    def read_page(self, request: PageRequest = NEWEST) -> ListPage[OperationStep]:
        """Return a page."""
        items = list(self._read(request.before, request.limit + 1))
        last = items[request.limit - 1].number if len(items) > request.limit else None
        return ListPage(items[: request.limit], request.make_cursor(last), None)

    def read_chunks(self, *, before: int | None, limit: int) -> Iterator[Sequence[OperationStep]]:
        """Yield the items behind the number `before`, at most `limit` of them; 0 is no limit."""
        items = self._read(before, limit)
        while chunk := list(islice(items, CHUNK_ITEMS)):
            yield chunk

    def _read(self, after: int | None, limit: int) -> Iterator[OperationStep]:
        return iter(
            list_items(
                self.database, self.operation, outcome=self.outcome, after=after or 0, limit=limit
            )
        )


def _with_sealer(
    database: Database, to_item: Callable[[Any, Any], T]
) -> Callable[[Sequence[Any]], Iterable[T]]:
    return lambda rows: [to_item(row, database.sealer) for row in rows]


def _describe_row(row: Any) -> str:
    return describe_state(
        Status(row.status),
        DeadKind(row.dead_kind) if row.dead_kind else None,
        RunState(row.run_state) if row.run_state else None,
    )
