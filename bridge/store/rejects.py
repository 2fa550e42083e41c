"""Keep bounded copies of requests that failed verification: the newest few of each source, so that no flood fills the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from bridge.errors import NotFound
from bridge.model import Reject
from bridge.store.database import Database
from bridge.store.rows import from_json, to_json
from bridge.store.tables import reject

KEPT = 100  # rejects of a source
STALE_CLAIM = 60.0  # seconds after which a readmission that left no event is taken to have been interrupted
_NAMES = [field.name for field in fields(Reject)]


def add(database: Database, one: Reject) -> None:
    """Keep a reject, and let go of its source's oldest."""
    values = {name: getattr(one, name) for name in _NAMES} | {"headers": to_json(dict(one.headers)), "event_ids": None}
    columns = reject.c
    newest = select(columns.seq).where(columns.source == one.source).order_by(columns.seq.desc())
    database.write(
        lambda connection: (
            connection.execute(insert(reject).values(values)),
            connection.execute(
                delete(reject).where(columns.source == one.source, columns.seq <= newest.offset(KEPT).limit(1).scalar_subquery())
            ),
        )
    )


def listed(database: Database, *, source: str | None = None, since: float | None = None, waiting: bool = False,
           limit: int = 0) -> Iterator[Reject]:  # fmt: skip
    """Yield rejects, newest first; `waiting`: only those that were not readmitted; `limit` 0 is no limit."""
    query = select(reject).order_by(reject.c.seq.desc())
    conditions: list[ColumnElement[bool]] = []
    if source is not None:
        conditions.append(reject.c.source == source)
    if since is not None:
        conditions.append(reject.c.received_at >= since)
    if waiting:
        conditions.append(reject.c.readmitted_at.is_(None))
    with database.read() as connection:
        rows = connection.execute(query.where(*conditions).limit(limit or None)).all()
    yield from map(_to_reject, rows)


def get(database: Database, text: str) -> Reject:
    """Return the reject with this id, or the one whose id begins so; `NotFound` where there is none, or several."""
    with database.read() as connection:
        rows = connection.execute(select(reject).where(func.substr(reject.c.id, 1, len(text)) == text).limit(5)).all()
    exact = [row for row in rows if row.id == text] or rows
    if len(exact) > 1:
        raise NotFound(f"several ids begin with {text!r}: {', '.join(row.id for row in exact)}")
    if not exact:
        raise NotFound(f"no reject has the id {text!r}; each source keeps its newest {KEPT}")
    return _to_reject(exact[0])


def claim(database: Database, reject_id: str, now: float) -> bool:
    """Take a reject to be readmitted; False where it was already, or someone is at it."""
    columns = reject.c
    free = columns.readmitted_at.is_(None) | (columns.event_ids.is_(None) & (columns.readmitted_at < now - STALE_CLAIM))
    taking = update(reject).where(columns.id == reject_id, free).values(readmitted_at=now)
    return bool(database.write(lambda connection: connection.execute(taking).rowcount))


def settle(database: Database, reject_id: str, event_ids: tuple[str, ...] | None) -> None:
    """Say what a claimed reject has become: events, or None where it stays a reject."""
    became: dict[str, Any] = {"readmitted_at": None} if event_ids is None else {"event_ids": to_json(list(event_ids))}
    database.write(lambda connection: connection.execute(update(reject).where(reject.c.id == reject_id).values(became)))


def _to_reject(row: Row[Any]) -> Reject:
    values = {name: row._mapping[name] for name in _NAMES}
    return Reject(**(values | {"headers": from_json(row.headers), "event_ids": tuple(from_json(row.event_ids) or ())}))
