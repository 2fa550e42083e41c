"""Rows of the tables as they are, for reports that count everything without the ledger's code."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, Table, TextClause, func, select, text

from bridge.store.db.database import Database
from bridge.store.tables.schema import (
    attempt,
    circuit,
    delivery,
    event,
    local_run,
    pace,
    worker,
)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event: `seq` is the order of commit."""

    seq: int
    id: str
    source: str
    provider_id: str | None
    body_sha256: str
    duplicates: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with its lease, slot and next poll, and the delivery that it was merged into."""

    seq: int
    id: str
    event_id: str
    route: str
    platform: str
    status: str
    reason: str | None
    lease: str | None
    slot: bool
    poll_at: float | None
    run_id: str | None
    run_state: str | None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt; `outcome` is null from its intent until its result."""

    delivery_id: str
    number: int
    outcome: str | None
    run_id: str | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run of the local platform."""

    id: str
    idempotency_key: str | None
    state: str
    lease: str | None


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A stored time until which a platform, a route or a waiting delivery is put off."""

    kind: str
    id: str
    column: str
    until: float


@dataclass(frozen=True, slots=True)
class StoreRows:
    """All rows in one snapshot."""

    events: tuple[EventRow, ...] = ()
    deliveries: tuple[DeliveryRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    runs: tuple[RunRow, ...] = ()


def read_rows(database: Database) -> StoreRows:
    """Return the rows of the store, each kind in the order of commit."""
    with database.read() as connection:
        return StoreRows(
            tuple(
                EventRow(**row._mapping)
                for row in connection.execute(_columns(event, EventRow).order_by(event.c.seq))
            ),
            tuple(
                DeliveryRow(**row._mapping)
                for row in connection.execute(
                    _columns(delivery, DeliveryRow).order_by(delivery.c.seq)
                )
            ),
            tuple(
                AttemptRow(**row._mapping)
                for row in connection.execute(_columns(attempt, AttemptRow))
            ),
            tuple(
                RunRow(**row._mapping) for row in connection.execute(_columns(local_run, RunRow))
            ),
        )


def _columns(table: Table, record: type) -> Select[Any]:
    return select(*(table.c[field.name] for field in fields(record)))


_MOVING = text(
    "SELECT (SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending', 'blocked') OR slot"
    " OR poll_at IS NOT NULL) + (SELECT count(*) FROM local_run WHERE state IN ('QUEUED',"
    " 'RUNNING', 'TERMINATING'))"
)


def count_moving(database: Database) -> int:
    """Return how many deliveries and runs have pending work."""
    with database.read() as connection:
        return connection.execute(_MOVING).scalar() or 0


_OPEN = text(
    "SELECT delivery_id, number, route FROM attempt JOIN delivery ON delivery.id = delivery_id"
    " WHERE outcome IS NULL"
)
_LOOKED_FOR = text(
    "SELECT id, attempts + throttled, route FROM delivery WHERE status = 'unknown' AND poll_at IS"
    " NOT NULL"
)


def open_attempts(database: Database) -> dict[tuple[str, int], str]:
    """Return the attempts that have begun and have no outcome: (delivery id, number) -> route."""
    return _attempts(database, _OPEN)


def unresolved_attempts(database: Database) -> dict[tuple[str, int], str]:
    """Return open attempts, and the last ones of deliveries whose run is still searched for."""
    return _attempts(database, _OPEN) | _attempts(database, _LOOKED_FOR)


def _attempts(database: Database, query: TextClause) -> dict[tuple[str, int], str]:
    with database.read() as connection:
        return {(id_, number): route for id_, number, route in connection.execute(query)}


def count_throttled(database: Database) -> int:
    """Return how many answers said that a platform is full."""
    with database.read() as connection:
        return connection.execute(select(func.sum(delivery.c.throttled))).scalar() or 0


def read_waits(database: Database) -> list[WaitRow]:
    """Return all times until which something is put off."""
    is_waiting = delivery.c.status.in_(("queued", "blocked"))
    waits = (
        (
            "platform",
            select(circuit),
            "platform",
            ("not_before", "raise_at", "open_until", "probe_until"),
        ),
        ("route", select(pace), "route", ("next_at",)),
        ("delivery", select(delivery).where(is_waiting), "id", ("due_at", "debounce_until")),
    )
    with database.read() as connection:
        return [
            WaitRow(kind, getattr(row, key), column, until)
            for kind, query, key, columns in waits
            for row in connection.execute(query)
            for column in columns
            if (until := getattr(row, column)) is not None
        ]


def worker_pids(database: Database) -> set[int]:
    """Return the process ids of all registered workers, dead ones too."""
    with database.read() as connection:
        return set(connection.execute(select(worker.c.pid)).scalars())
