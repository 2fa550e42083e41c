"""Durable ingest: acknowledged events a second, on an event loop and with threads, against a bare
Flask view on gunicorn's threads with the same settings, in one run.

python bench/ingest.py [--seconds 4] [--runs 5] [--connections 16] [--postgresql | --database-url URL]

With --postgresql both also on PostgreSQL, which is started for it; with --database-url on the server
there, which makes databases for it and drops these. The processor time is that of the receivers,
without PostgreSQL's.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import databases
import rig
import webhook_sample
import wrk_load

BASE = "bare Flask view"
OURS = "flowbridge"
THREADS = "with threads"
POSTGRESQL = "on PostgreSQL"
THREADS_POSTGRESQL = "threads, PostgreSQL"
BARE = """
from flask import Flask, request

app = Flask("bare")

@app.get("/")
def ready():
    return "", 200

@app.post("/hooks/github")
def hook():
    request.get_data()
    return "", 202
"""
CONF = """
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from bridge.config.settings import load_settings
from bridge.web.server.app import options
globals().update(options(load_settings(os.environ), lambda _role: None))
"""
#: FLOWBRIDGE_EDGE of each; `async` is the default.
EDGES = {OURS: "async", THREADS: "flask", POSTGRESQL: "async", THREADS_POSTGRESQL: "flask"}
ON_POSTGRESQL = (POSTGRESQL, THREADS_POSTGRESQL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wrk_load.add_plan(parser)
    databases.add_options(parser)
    given = parser.parse_args()
    names = [BASE, OURS, THREADS, *(ON_POSTGRESQL if databases.is_wanted(given) else ())]
    results = measure(wrk_load.read_plan(given), names, given.database_url)
    report(results, given.connections)


def measure(
    plan: wrk_load.LoadPlan, names: Sequence[str], database_url: str = ""
) -> wrk_load.Results:
    """Load the servers of these names in turn, and return what each run came to."""
    with rig.folder() as path, contextlib.ExitStack() as running:
        script = wrk_load.write_script(path, webhook_sample.payload())
        if not database_url and any(name in ON_POSTGRESQL for name in names):
            database_url = running.enter_context(databases.postgres(path))
        servers = {name: running.enter_context(serve(name, path, database_url)) for name in names}
        return wrk_load.in_turn(servers, script, plan)


@contextlib.contextmanager
def serve(name: str, path: Path, database_url: str) -> Iterator[tuple[int, int]]:
    """Run the server of this name; give its port and process."""
    port = rig.free_port()
    own = path / name.replace(" ", "-").replace(",", "")
    own.mkdir()
    with contextlib.ExitStack() as stack:
        if name == BASE:
            run = stack.enter_context(serve_bare(own, port))
        else:
            environ = {"FLOWBRIDGE_EDGE": EDGES[name], **databases.SQLITE}
            if name in ON_POSTGRESQL:
                environ |= stack.enter_context(databases.empty(database_url))
            config = webhook_sample.routes("http://127.0.0.1:9/")
            run = stack.enter_context(rig.flowbridge(own, config, port, "web", **environ))
        yield port, run.pid


def serve_bare(path: Path, port: int) -> contextlib.AbstractContextManager[rig.Process]:
    """Run the bare view."""
    (path / "bare.py").write_text(BARE)
    (path / "conf.py").write_text(CONF)
    environ = {
        "FLOWBRIDGE_BIND": f"127.0.0.1:{port}",
        "FLOWBRIDGE_DATA": str(path),
        "FLOWBRIDGE_EDGE": "flask",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", str(path / "conf.py"), "bare:app"]
    return rig.process(command, f"http://127.0.0.1:{port}/", rig.PATIENCE_SECONDS, **environ)


def report(results: wrk_load.Results, connections: int) -> None:
    print(rig.machine())
    print(f"{wrk_load.describe_load(connections, len(results[OURS]))}: median (min to max)")
    for name, runs in results.items():
        rates = sorted(run["rate"] for run in runs)
        middle = {key: rig.middle(runs, key) for key in ("p50", "p99", "cpu")}
        errors = sum(run["errors"] for run in runs)
        print(
            f"{name:19} {rig.median(rates):7.0f}/s ({rates[0]:.0f} to {rates[-1]:.0f})  p50"
            f" {middle['p50']:5.1f} ms  p99 {middle['p99']:5.1f} ms  {middle['cpu']:4.0f} µs CPU a"
            f" request  {errors:.0f} errors"
        )
    bare = results[BASE]
    for name, ours in results.items():
        if name != BASE:
            rate, p99, cpu = (
                rig.middle(ours, key) / rig.middle(bare, key) for key in ("rate", "p99", "cpu")
            )
            print(f"{name:19} / bare: rate {rate:.2f}, p99 {p99:.2f}, CPU {cpu:.2f}")


if __name__ == "__main__":
    main()
