"""Durable ingest: acknowledged events a second, on an event loop and with threads, against a bare
Flask view on gunicorn's threads with the same settings, in one run.

python bench/ingest.py [--seconds 4] [--runs 5] [--connections 16] [--postgresql | --database-url URL]

With --postgresql also on PostgreSQL, which is started for it; with --database-url on the server
there, which makes a database for it and drops that.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import databases
import rig

BASE = "bare Flask view"
OURS = "flowbridge"
THREADS = "with threads"
POSTGRESQL = "on PostgreSQL"
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
#: The edge of each: `async` is the default.
EDGES = {OURS: "async", THREADS: "flask", POSTGRESQL: "async"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rig.add_plan(parser)
    databases.add_options(parser)
    given = parser.parse_args()
    names = [BASE, OURS, THREADS, *([POSTGRESQL] if databases.is_wanted(given) else [])]
    results = measure(rig.read_plan(given), names, given.database_url)
    report(results, given.connections)


def measure(plan: rig.LoadPlan, names: Sequence[str], database_url: str = "") -> rig.Results:
    """Load the servers of these names in turn, and return what each run came to."""
    with rig.folder() as path, contextlib.ExitStack() as running:
        script = rig.lua(path, rig.payload())
        servers = {name: running.enter_context(serve(name, path, database_url)) for name in names}
        return rig.in_turn(servers, script, plan)


@contextlib.contextmanager
def serve(name: str, path: Path, database_url: str) -> Iterator[tuple[int, int]]:
    """Run the server of this name; give its port and process."""
    port = rig.free_port()
    own = path / name.replace(" ", "-")
    own.mkdir()
    with contextlib.ExitStack() as stack:
        if name == BASE:
            run = stack.enter_context(serve_bare(own, port))
        else:
            environ = {"FLOWBRIDGE_EDGE": EDGES[name], **databases.SQLITE}
            if name == POSTGRESQL:
                url = stack.enter_context(databases.server(own, database_url))
                environ |= stack.enter_context(databases.empty(url))
            config = rig.routes("http://127.0.0.1:9/")
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


def report(results: rig.Results, connections: int) -> None:
    print(rig.machine())
    print(
        f"{connections} keep-alive connections, {rig.SIZE} byte payload,"
        f" {len(results[OURS])} runs in turn: median (min to max)"
    )
    for name, runs in results.items():
        rates = sorted(run["rate"] for run in runs)
        middle = {key: rig.middle(runs, key) for key in ("p50", "p99", "cpu")}
        errors = sum(run["errors"] for run in runs)
        print(
            f"{name:16} {rig.median(rates):7.0f}/s ({rates[0]:.0f} to {rates[-1]:.0f})  p50"
            f" {middle['p50']:5.1f} ms  p99 {middle['p99']:5.1f} ms  {middle['cpu']:4.0f} µs CPU a"
            f" request  {errors:.0f} errors"
        )
    bare = results[BASE]
    for name, ours in results.items():
        if name != BASE:
            rate, p99, cpu = (
                rig.middle(ours, key) / rig.middle(bare, key) for key in ("rate", "p99", "cpu")
            )
            print(f"{name:16} / bare: rate {rate:.2f}, p99 {p99:.2f}, CPU {cpu:.2f}")


if __name__ == "__main__":
    main()
