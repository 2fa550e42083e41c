"""Pruning beside receiving: p50 and p99 of the acknowledgement while a million old events go,
against those without, in turn.

    python bench/prune.py [--events 1000000] [--rate 200] [--seconds 20] [--rounds 3]

`errand` is the pace of a worker that does it by itself, `command` that of `flowbridge db prune`. It
runs in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import rig
import scheduled_load
import webhook_sample

from bridge.cli.commands.db.prune import PAUSE_FACTOR
from bridge.config.settings import load_settings
from bridge.core.units import DAY
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.operations import prune as prune_operation
from bridge.worker.maintenance import jobs

CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="0" * 64, canonical="{}")
EVENT = """
INSERT INTO event (id, source, provider, provider_id, received_at, config_hash, body_sha256,
    headers, query_string, body)
VALUES (?, 'github', 'github', ?, ?, '0', ?, '{}', '', ?)
"""
ATTEMPT = (
    "INSERT INTO attempt (delivery_id, number, started_at, finished_at, outcome) SELECT id, 1, 0,"
    " 0, 'started' FROM delivery"
)
DELIVERY = """
INSERT INTO delivery (id, event_id, route, flow, platform, saved_item_id, status, attempts,
    created_at, due_at, delivered_at, finished_at,
                      config_hash, retry_attempts, retry_first, retry_max, on_unknown, run_timeout,
                          inputs)
SELECT 'dlv_' || seq, id, 'old', 'f', 'stub', 'x', 'delivered', 1, received_at, received_at,
    received_at, received_at, config_hash,
       12, 5, 9, 'hold', 3600, '{"title":"' || hex(randomblob(150)) || '"}' FROM event
"""


def fill(path: Path, events: int) -> None:
    """Write old events of a kilobyte, each with a delivery and an attempt."""
    database = Database(f"sqlite:///{path}")
    upgrade.upgrade(database)
    database.close()
    at = time.time() - 100 * DAY
    body = b'{"text":"' + b"x" * 1000 + b'"}'
    with sqlite3.connect(path) as raw:
        rows = (
            (f"evt_old{n:08}", f"old-{n}", at + n / 1000, f"{n:064x}", body) for n in range(events)
        )
        raw.executemany(EVENT, rows)
        raw.execute(DELIVERY)
        raw.execute(ATTEMPT)
    raw.close()


def prune(path: Path, pace: str, began: Any, gone: Any) -> None:
    """Prune as a worker or as the command does, and count."""
    database = Database(f"sqlite:///{path}")
    given = jobs.JobContext(
        load_settings({}, secrets=False), CONFIG, database, time.time(), threading.Event()
    )

    def once(work: Any) -> Any:
        at = time.monotonic()
        counts = database.write(work)
        time.sleep(PAUSE_FACTOR * (time.monotonic() - at))
        return counts

    began.set()
    for _, _, counts in prune_operation.prune(
        prune_operation.Pruning(database, CONFIG, time.time()),
        given.write_paced if pace == "errand" else once,
    ):
        gone.value += counts.get("event", 0)


def measure(
    port: int, body: bytes, given: argparse.Namespace, path: Path, pace: str | None
) -> tuple[float, float, float]:
    """Return p50 and p99 in milliseconds, and how many events went in a second."""
    gone = multiprocessing.Value("q", 0)
    began = multiprocessing.Event()
    pruner = multiprocessing.Process(target=prune, args=(path, pace, began, gone)) if pace else None
    if pruner:
        pruner.start()
        began.wait(10)
    at = time.monotonic()
    acks = scheduled_load.send(port, body, given.rate, given.seconds, f"{time.time()}")
    speed = gone.value / (time.monotonic() - at)
    if pruner:
        if not pruner.is_alive():
            sys.exit("it was done before the load was: give it more --events")
        pruner.kill()
        pruner.join()
    took = sorted(each * 1000 for _, each in acks.values())
    return rig.quantile(took, 0.5), rig.quantile(took, 0.99), speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        store = path / "data" / "flowbridge.db"
        store.parent.mkdir()
        fill(store, given.events)
        print(
            f"{given.events} old events, {store.stat().st_size / 1024**2:.0f} MiB; {given.rate:g}"
            " events a second come in"
        )
        port = rig.free_port()
        body = webhook_sample.payload()
        found: dict[str | None, list[tuple[float, float, float]]] = {
            None: [],
            "errand": [],
            "command": [],
        }
        with rig.flowbridge(
            path, webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start"), port
        ):
            for _ in range(given.rounds):
                for pace, kept in found.items():
                    kept.append(measure(port, body, given, store, pace))
    base = rig.median([p99 for _, p99, _ in found[None]])
    for pace, kept in found.items():
        p50, p99, speed = (rig.median([each[place] for each in kept]) for place in range(3))
        print(
            f"{pace or 'nothing':8} p50 {p50:6.1f} ms  p99 {p99:6.1f} ms ({p99 / base:.2f} of"
            f" without)  {speed:7.0f} events/s go"
        )


if __name__ == "__main__":
    main()
