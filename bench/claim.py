"""Claiming: how long a worker takes to lease sixteen due deliveries, with more and more of them waiting.

    python bench/claim.py [--counts 1000 100000] [--url sqlite:///…]
"""

from __future__ import annotations

import argparse
import time

import rig
from sqlalchemy import insert, text

from bridge.store import ledger, migrate
from bridge.store.database import Database
from bridge.store.tables import delivery


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--url")
    given = parser.parse_args()
    print(rig.machine())
    for count in given.counts:
        for due in (True, False):
            with rig.folder() as path:
                database = Database(given.url or f"sqlite:///{path / 'bench.db'}")
                migrate.upgrade(database)
                database.write(lambda connection: connection.execute(text("DELETE FROM delivery")))
                fill(database, count, due)
                print(f"{count:8} {'queued' if due else 'scheduled for later, 16 due':28} {measure(database) * 1000:6.2f} ms a claim of 16")
                database.close()


def fill(database: Database, count: int, due: bool) -> None:
    now = time.time()
    for start in range(0, count, 10_000):
        rows = [
            {
                "id": f"dlv_{number:026d}", "event_id": f"evt_{number}", "route": f"route-{number % 10}", "flow": "f", "platform": "stub",
                "saved_item_id": "f", "status": "queued", "created_at": now, "due_at": now - 1 if due or number < 16 * 30 else now + 86400,
                "config_hash": "x", "retry_attempts": 12, "retry_first": 5.0, "retry_max": 60.0, "on_unknown": "hold",
                "run_timeout": 3600.0, "inputs": '{"title":"x"}',
            }
            for number in range(start, min(start + 10_000, count))
        ]  # fmt: skip
        database.write(lambda connection, rows=rows: connection.execute(insert(delivery), rows))


def measure(database: Database) -> float:
    took = []
    for turn in range(20):
        began = time.perf_counter()
        claims = database.write(
            lambda connection, turn=turn: ledger.claim(
                connection, caps={"stub": 16}, paused=frozenset(), most=16, now=time.time(), lease=f"w:{turn}", turn=turn
            )
        )
        took.append(time.perf_counter() - began)
        ids = [claim.delivery.id for claim in claims]
        done = delivery.update().where(delivery.c.id.in_(ids)).values(status="cancelled", slot=False)
        database.write(lambda connection, done=done: connection.execute(done).rowcount)
    return rig.median(took)


main()
