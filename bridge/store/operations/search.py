"""Search for a data subject in events, deliveries, attempts, local runs and rejects.

A new table that stores parts of a payload needs a row in `SEARCHED_TABLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, func, or_, select

from bridge.core.model import Body, Event
from bridge.ingest.bodies import decode
from bridge.ingest.data_subjects import DataSubject
from bridge.store.db.database import Database
from bridge.store.inbound.rejects import to_reject
from bridge.store.tables.encrypted import COLUMNS_BY_TABLE
from bridge.store.tables.rows import from_json, to_attempt, to_event
from bridge.store.tables.schema import attempt, delivery, event, local_run, reject

PAGE_ROWS: Final = 50  # rows read in one transaction: each may have megabytes
MAX_BODY_DEPTH: Final = 100
MAX_ATTEMPTS_PER_DELIVERY: Final = 100_000  # more than any delivery has


@dataclass(frozen=True, slots=True)
class Search:
    """A search for a data subject, of one `source` if given. `read` parses an event's body."""

    database: Database
    subject: DataSubject
    read: Callable[[Event], Body]
    source: str | None = None

    def total(self) -> int:
        """Return how many rows the search reads."""
        with self.database.read() as connection:
            return sum(
                connection.execute(
                    select(func.count()).select_from(table.rows(self).subquery())
                ).scalar_one()
                for table in SEARCHED_TABLES
            )

    def found(self, advance: Callable[[int], None] = lambda _: None) -> list[str]:
        """Return the ids of events, rejects and runs that contain the subject, each once, in the
        order in which to erase them.
        """
        ids: dict[str, None] = {}
        for table in SEARCHED_TABLES:
            for rows in self._pages(table):
                ids |= dict.fromkeys(
                    id_ for row in rows if (id_ := table.holder(self, row)) is not None
                )
                advance(len(rows))
        return list(ids)

    def _pages(self, table: SearchedTable) -> Iterator[Sequence[Row[Any]]]:
        place = 0
        query = table.rows(self)
        while True:
            page = table.after(query, place).limit(PAGE_ROWS)
            with self.database.read() as connection:
                rows = connection.execute(page).all()
            yield rows
            if len(rows) < PAGE_ROWS:
                return
            place = rows[-1].seq


def _after(query: Select[Any], place: int) -> Select[Any]:
    """Return the rows of a query behind a place, in order."""
    seq = query.selected_columns["seq"]
    return query.where(seq > place).order_by(seq)


# -- events


def _events(search: Search) -> Select[Any]:
    return (
        select(event)
        if search.source is None
        else select(event).where(event.c.source == search.source)
    )


def _event(search: Search, row: Row[Any]) -> str | None:
    stored_event = to_event(row, search.database.sealer)
    return (
        stored_event.id
        if search.subject.in_event(stored_event, search.read(stored_event))
        else None
    )


# -- their deliveries


def _deliveries(search: Search) -> Select[Any]:
    columns = delivery.c
    read = (
        columns.seq,
        columns.id,
        columns.event_id,
        columns.inputs,
        columns.outputs,
        columns.log,
        columns.reason,
        columns.order_key,
    )
    query = select(*read)
    if search.source is None:
        return query
    return query.join(event, event.c.id == columns.event_id).where(event.c.source == search.source)


def _delivery(search: Search, row: Row[Any]) -> str | None:
    subject = search.subject
    kept = _opened(search, "delivery", row)
    holds = any(subject.in_value(from_json(kept[name])) for name in ("inputs", "outputs"))
    said = subject.anywhere and (
        subject.in_value(from_json(kept["log"])) or subject.in_texts([row.reason, row.order_key])
    )
    return row.event_id if holds or said else None


# -- earlier attempts


def _attempts(search: Search) -> Select[Any]:
    place = (delivery.c.seq * MAX_ATTEMPTS_PER_DELIVERY + attempt.c.number).label("seq")
    kept = or_(attempt.c.outputs.is_not(None), attempt.c.log.is_not(None))
    query = (
        select(place, delivery.c.event_id, attempt)
        .join(attempt, attempt.c.delivery_id == delivery.c.id)
        .where(kept)
    )
    if search.source is None:
        return query
    return query.join(event, event.c.id == delivery.c.event_id).where(
        event.c.source == search.source
    )


def _after_attempt(query: Select[Any], place: int) -> Select[Any]:
    """Return the attempts behind a place, by columns with indexes: no page sorts all the others."""
    seq, number = divmod(place, MAX_ATTEMPTS_PER_DELIVERY)
    columns = delivery.c.seq, attempt.c.number
    behind = or_(columns[0] > seq, columns[1] > number)
    return query.where(columns[0] >= seq, behind).order_by(*columns)


def _attempt(search: Search, row: Row[Any]) -> str | None:
    stored_attempt = to_attempt(row, search.database.sealer)
    subject = search.subject
    holds = subject.in_value(stored_attempt.outputs) or (
        subject.anywhere and subject.in_value(list(stored_attempt.log))
    )
    return row.event_id if holds else None


# -- local runs, which may belong to no event


def _runs(_search: Search) -> Select[Any]:
    return select(local_run)


def _run(search: Search, row: Row[Any]) -> str | None:
    subject = search.subject
    kept = _opened(search, "local_run", row)
    holds = any(subject.in_value(from_json(kept[name])) for name in ("inputs", "outputs"))
    body = kept["body"]
    holds = holds or (
        body is not None
        and subject.in_value(decode("", body.encode(), max_depth=MAX_BODY_DEPTH).value)
    )
    said = subject.anywhere and (
        subject.in_value(from_json(kept["log"])) or subject.in_texts([body])
    )
    return _owner(search, row) if holds or said else None


def _opened(search: Search, table: str, row: Row[Any]) -> dict[str, Any]:
    """Decrypt the encrypted columns of a row, as far as it was read."""
    read = row._mapping
    return {
        name: search.database.sealer.open(read[name], table, name, row.id)
        for name in COLUMNS_BY_TABLE[table]
        if name in read
    }


def _owner(search: Search, row: Row[Any]) -> str | None:
    """Return the id of the event that started a run, or else of the run; null for other sources."""
    started_for = (row.idempotency_key or "").partition("~")[0]
    query = (
        select(event.c.id, event.c.source)
        .join(delivery, delivery.c.event_id == event.c.id)
        .where(delivery.c.id == started_for)
    )
    with search.database.read() as connection:
        owner = connection.execute(query).one_or_none()
    if search.source is not None and (owner is None or owner.source != search.source):
        return None
    return str(row.id if owner is None else owner.id)


# -- rejects


def _rejects(search: Search) -> Select[Any]:
    return (
        select(reject)
        if search.source is None
        else select(reject).where(reject.c.source == search.source)
    )


def _reject(search: Search, row: Row[Any]) -> str | None:
    stored_reject = to_reject(row, search.database.sealer)
    body = decode(
        stored_reject.headers.get("content-type", ""), stored_reject.body, max_depth=MAX_BODY_DEPTH
    )
    return stored_reject.id if search.subject.in_reject(stored_reject, body) else None


@dataclass(frozen=True, slots=True)
class SearchedTable:
    """A searched table: its rows, and the id to erase where a row contains the subject.

    `after`: returns the rows behind a place, which is the value `seq` of a row, in its order.
    """

    rows: Callable[[Search], Select[Any]]
    holder: Callable[[Search, Row[Any]], str | None]
    after: Callable[[Select[Any], int], Select[Any]] = _after


SEARCHED_TABLES: Final = (
    SearchedTable(_events, _event),
    SearchedTable(_deliveries, _delivery),
    SearchedTable(_attempts, _attempt, _after_attempt),
    SearchedTable(_runs, _run),
    SearchedTable(_rejects, _reject),
)
