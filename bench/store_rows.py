"""Fills a store with events and deliveries, and with operations, an audit log and rejects.

There are 1.2 deliveries for each event, one in a hundred of them dead, unknown or queued, or as many
in each store as is asked for. Of the newest 200 events more are, so that a page has as many rows in
each store. A rare source has 60 events. There is an operation and an entry of the audit log for every
20 events, and a reject for every 10, within the limits of the store.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import databases
from sqlalchemy import Table, insert

from bridge.core.units import DAY
from bridge.store.audit import MAX_AUDIT_ROWS
from bridge.store.db.database import Database
from bridge.store.inbound import daily_events
from bridge.store.inbound.rejects import MAX_REJECTS_PER_SOURCE
from bridge.store.tables.schema import act, act_item, audit, delivery, event, reject

BATCH_ROWS = 10_000
SOURCES = [f"source-{number}" for number in range(10)]
TROUBLED_EVENTS = 200  # newest ones
TROUBLE_SPACING = 300  # events from one with a dead delivery to the next, before these
RARE_EVENTS = 60  # of the rare source: more than a page has
BODY = b'{"action": "opened", "number": %d, "text": "' + b"x" * 300 + b'"}'
STATUSES = {0: "dead", 1: "unknown", 2: "queued"}


def fill_folder(data: Path, count: int) -> None:
    """Store events whose deliveries have ended, in a new data folder: a worker has nothing to do."""
    with databases.new_store(data) as database:
        fill(database, count, {0: "dead"})


def id_of(prefix: str, number: int) -> str:
    """Return an id that sorts by its number."""
    return f"{prefix}_{number:026d}"


def fill(
    database: Database,
    count: int,
    statuses: Mapping[int, str] = STATUSES,
    spacing: int = TROUBLE_SPACING,
) -> None:
    """Store so many events. `statuses`: of the deliveries of the first few of `spacing` events."""
    now = time.time()
    for start in range(0, count, BATCH_ROWS):
        numbers = range(start, min(start + BATCH_ROWS, count))
        at = {number: now - (count - number) * 0.5 for number in numbers}
        rare = count // RARE_EVENTS
        rows = [event_row(number, at[number], rare) for number in numbers]
        deliveries = [
            delivery_row(number, copy, at[number], find_status(number, count, statuses, spacing))
            for number in numbers
            for copy in range(1 + (number % 5 == 0))
        ]
        store(database, event, rows)
        store(database, delivery, deliveries)
    count_events_of_today(database)


def count_events_of_today(database: Database) -> None:
    """Store the counts of today's events, as a worker does each minute."""
    while True:
        with database.read() as connection:
            found = daily_events.find_new_counts(connection, time.time())
        if not found:
            return
        database.write(lambda connection, found=found: daily_events.store_counts(connection, found))


def fill_records(database: Database, count: int) -> None:
    """Store the operations, entries of the audit log and rejects of a store with so many events."""
    now = time.time()
    operations = range(count // 20)
    store(database, act, [operation_row(number, now) for number in operations])
    items = [
        {"act": number + 1, "number": 0, "item_id": id_of("dlv", number * 2), "outcome": "done"}
        for number in operations
    ]
    store(database, act_item, items)
    entries = range(min(count // 20, MAX_AUDIT_ROWS))
    store(database, audit, [audit_row(number, now) for number in entries])
    rejects = range(min(count // 10, MAX_REJECTS_PER_SOURCE * len(SOURCES)))
    store(database, reject, [reject_row(number, now) for number in rejects])
    databases.analyze(database)


def store(database: Database, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, so many in a commit."""
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        database.write(lambda connection, batch=batch: connection.execute(insert(table), batch))


def event_row(number: int, at: float, rare: int = 10_000) -> dict[str, Any]:
    """Return an event. `rare`: events from one of the rare source to the next."""
    source = "rare" if number % rare == rare // 2 else f"source-{number % 10}"
    return {
        "id": id_of("evt", number),
        "source": source,
        "provider": "github",
        "type": f"type-{number % 7}",
        "provider_id": f"provider-{number}",
        "received_at": at,
        "config_hash": "0" * 64,
        "body_sha256": f"{number:064x}",
        "headers": "{}",
        "query_string": "",
        "body": BODY % number,
    }


def find_status(number: int, count: int, statuses: Mapping[int, str], spacing: int) -> str:
    """Return the status of the deliveries of an event."""
    kind = number % spacing
    if number >= count - TROUBLED_EVENTS:
        kind = number % (len(STATUSES) + 1)
    return statuses.get(kind, "delivered")


def delivery_row(number: int, copy: int, at: float, status: str = "delivered") -> dict[str, Any]:
    return {
        "id": id_of("dlv", number * 2 + copy),
        "event_id": id_of("evt", number),
        "route": f"route-{number % 10}",
        "flow": "local/echo",
        "platform": "local",
        "saved_item_id": "echo",
        "status": status,
        "run_id": id_of("run", number * 2 + copy) if status == "delivered" else None,
        "reason": f"HTTP 4{number % 7:02d} from the platform" if status == "dead" else None,
        "dead_kind": "platform" if status == "dead" else None,
        "created_at": at,
        "due_at": at,
        "finished_at": at if status == "dead" else None,
        "config_hash": "0" * 64,
        "retry_attempts": 12,
        "retry_first": 5,
        "retry_max": 3600,
        "on_unknown": "reconcile",
        "run_timeout": 3600,
    }


def operation_row(number: int, now: float) -> dict[str, Any]:
    return {
        "id": id_of("act", number),
        "command": "retry",
        "actor": "someone@here",
        "created_at": now - DAY + number,
        "asked": '{"filters": {"status": "dead"}}',
        "chosen": 1,
        "done": 1,
        "worked_at": now,
        "finished_at": now,
    }


def audit_row(number: int, now: float) -> dict[str, Any]:
    return {
        "id": id_of("aud", number),
        "at": now - DAY + number,
        "actor": "someone@here",
        "action": "login",
    }


def reject_row(number: int, now: float) -> dict[str, Any]:
    return {
        "id": id_of("rej", number),
        "source": SOURCES[number % len(SOURCES)],
        "provider": "github",
        "received_at": now - DAY + number,
        "reason": "mismatch",
        "method": "POST",
        "path": "/hooks/source",
        "headers": '{"X-Hub-Signature-256": "sha256=00"}',
        "query_string": "",
        "url": "http://127.0.0.1/hooks/source",
        "body": BODY % number,
        "size": len(BODY % number),
        "cut": False,
    }
