"""Whole lists of events, deliveries, rejects, operations and audit entries, a chunk at a time.

Each chunk is read in short transactions that end before the chunk is returned, so a slow reader
keeps none open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.core.audit import AuditEntry
from bridge.core.model import Delivery, Event, Reject
from bridge.core.operations import Operation, OperationStep
from bridge.services.lists import WrongCursor, parse_cursor
from bridge.store.audit import audit_walk, to_entry
from bridge.store.db.row_walk import RowWalk, read_chunks
from bridge.store.inbound.rejects import reject_walk, to_reject
from bridge.store.operations.operation_records import list_items, operation_walk, to_operation
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.queries.row_numbers import find_number
from bridge.store.tables.rows import to_delivery

if TYPE_CHECKING:
    from bridge.store.db.database import Database

T = TypeVar("T")
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


def stream_events(
    database: Database, filters: Filters, *, before: int | None, limit: int
) -> Iterator[Sequence[tuple[Event, Sequence[Delivery]]]]:
    """Yield events with their deliveries, newest first; `limit` 0 is no limit."""
    walk = event_queries.event_walk(database, filters)
    for rows in _rows(database, walk, before, limit):
        yield list(event_queries.with_deliveries(database, rows))


def stream_deliveries(
    database: Database, filters: Filters, *, before: int | None, limit: int
) -> Iterator[Sequence[Delivery]]:
    """Yield deliveries, newest first; `limit` 0 is no limit."""
    walk = event_queries.delivery_walk(database, filters)
    return _each(database, walk, to_delivery, before, limit)


def stream_rejects(
    database: Database,
    *,
    source: str | None,
    since: float | None,
    before: int | None,
    limit: int,
) -> Iterator[Sequence[Reject]]:
    """Yield rejects, newest first; `limit` 0 is no limit."""
    return _each(database, reject_walk(source=source, since=since), to_reject, before, limit)


def stream_operations(
    database: Database, *, since: float | None, unfinished: bool, before: int | None, limit: int
) -> Iterator[Sequence[Operation]]:
    """Yield operations, newest first; `limit` 0 is no limit."""
    walk = operation_walk(since=since, unfinished=unfinished)
    return _each(database, walk, to_operation, before, limit)


def stream_audit(
    database: Database,
    *,
    since: float | None,
    action: str | None,
    before: int | None,
    limit: int,
) -> Iterator[Sequence[AuditEntry]]:
    """Yield entries of the audit log, newest first; `limit` 0 is no limit."""
    return _each(database, audit_walk(since=since, action=action), to_entry, before, limit)


def stream_items(
    database: Database, operation: Operation, *, outcome: str | None, after: int | None, limit: int
) -> Iterator[Sequence[OperationStep]]:
    """Yield the items of an operation in their order; `limit` 0 is no limit."""
    items = list_items(
        database,
        operation,
        outcome=outcome,
        after=after or 0,
        limit=limit,
    )
    while chunk := list(islice(items, CHUNK_ITEMS)):
        yield chunk


def _rows(
    database: Database, walk: RowWalk, before: int | None, limit: int
) -> Iterator[Sequence[Any]]:
    for chunk in read_chunks(database, walk, before=before, limit=limit):
        yield chunk.rows


def _each(
    database: Database,
    walk: RowWalk,
    to_item: Callable[[Any, Any], T],
    before: int | None,
    limit: int,
) -> Iterator[Sequence[T]]:
    for rows in _rows(database, walk, before, limit):
        yield [to_item(row, database.sealer) for row in rows]
