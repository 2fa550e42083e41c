"""End to end: accept, plan, store, start, settle; deliveries a second to a flow server that answers
at once.

    python bench/deliver.py [--seconds 10] [--runs 1] [--connections 16] [--postgresql |
    --database-url URL]

The rate is all deliveries over the time from the first request to the last start, the backlog
included. With --postgresql in turn with PostgreSQL, which is started for it; with --database-url on
the server there, which makes a database for each run and drops that.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import databases
import rig
import webhook_sample
import wrk_load


@dataclass(frozen=True)
class Delivered:
    """One run: events that wrk sent, and those of them that started."""

    seconds: float  # of wrk
    sent: dict[str, float]
    started: int
    took: float  # seconds to the last start
    cpu: float  # µs of the processes of flowbridge for each start

    @property
    def rate(self) -> float:
        """Starts a second."""
        return self.started / self.took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wrk_load.add_plan(parser, wrk_load.LoadPlan(seconds=10.0, runs=1))
    databases.add_options(parser)
    given = parser.parse_args()
    plan = wrk_load.read_plan(given)
    print(rig.machine())
    if not databases.is_wanted(given):
        for _ in range(plan.runs):
            report(measure(plan))
        return
    for name, runs in compare(plan, given.database_url).items():
        print(f"on {name}:")
        for run in runs:
            report(run)


def compare(plan: wrk_load.LoadPlan, database_url: str = "") -> dict[str, list[Delivered]]:
    """Return the runs on SQLite and on PostgreSQL, in turn."""
    found: dict[str, list[Delivered]] = {"SQLite": [], "PostgreSQL": []}
    with rig.folder() as path, databases.server(path, database_url) as server:
        for _ in range(plan.runs):
            found["SQLite"].append(measure(plan))
            with databases.empty(server) as settings:
                found["PostgreSQL"].append(measure(plan, settings))
    return found


def measure(plan: wrk_load.LoadPlan, settings: databases.Settings = databases.SQLITE) -> Delivered:
    """Run `serve` on an empty store, load it once, and return what came of it."""
    with rig.folder() as path, rig.stub(path) as stub_port:
        port = rig.free_port()
        script = wrk_load.write_script(path, webhook_sample.payload())
        config = webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start")
        with rig.flowbridge(path, config, port, **settings) as run:
            before = rig.cpu(run.pid)
            began = time.time()
            sent = wrk_load.wrk(port, script, plan.seconds, plan.connections)
            started = rig.drained(path / "starts", int(sent["requests"] - sent["errors"]))
            used = rig.cpu(run.pid) - before
        took = max(plan.seconds, rig.last_start(path / "starts") - began)
    return Delivered(plan.seconds, sent, started, took, used / max(1, started) * 1e6)


def report(run: Delivered) -> None:
    sent = run.sent
    print(
        f"accepted {sent['requests']:.0f} in {run.seconds:g} s"
        f" ({sent['rate']:.0f}/s, p99 {sent['p99']:.1f} ms, {sent['errors']:.0f} errors)"
    )
    print(
        f"started {run.started} in {run.took:.1f} s: {run.rate:.0f} deliveries/s,"
        f" {run.cpu:.0f} µs CPU each"
    )


if __name__ == "__main__":
    main()
