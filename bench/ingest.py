"""Durable ingest: acknowledged events a second, with threads and on an event loop, against a bare
Flask view on the same gunicorn settings, in one run.

python bench/ingest.py [--seconds 4] [--runs 5] [--connections 16]
"""

from __future__ import annotations

import sys

import rig

BASE = "bare Flask view"
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


def main() -> None:
    given = rig.asked(__doc__)
    with rig.folder() as path:
        script = rig.lua(path, rig.payload())
        (path / "bare.py").write_text(BARE)
        (path / "conf.py").write_text(CONF)
        bare_port = rig.free_port()
        port = rig.free_port()
        loop_port = rig.free_port()
        config = rig.routes("http://127.0.0.1:9/")
        on_loop = {"FLOWBRIDGE_EDGE": "async", "FLOWBRIDGE_DATA": str(path / "loop")}
        bare = [sys.executable, "-m", "gunicorn", "-c", str(path / "conf.py"), "bare:app"]
        environ = {
            "FLOWBRIDGE_BIND": f"127.0.0.1:{bare_port}",
            "FLOWBRIDGE_DATA": str(path / "bare"),
            "FLOWBRIDGE_EDGE": "flask",
        }
        with (
            rig.process(bare, f"http://127.0.0.1:{bare_port}/", **environ) as first,
            rig.flowbridge(path, config, port, "web", FLOWBRIDGE_EDGE="flask") as second,
            rig.flowbridge(path, config, loop_port, "web", **on_loop) as third,
        ):
            servers = {
                BASE: (bare_port, first.pid),
                "flowbridge": (port, second.pid),
                "on an event loop": (loop_port, third.pid),
            }
            results = rig.in_turn(servers, script, given)
    report(results, given.connections)


def report(results: rig.Results, connections: int) -> None:
    print(rig.machine())
    print(
        f"{connections} keep-alive connections, {rig.SIZE} byte payload,"
        f" {len(results['flowbridge'])} runs in turn: median (min to max)"
    )
    for name, runs in results.items():
        rates = sorted(run["rate"] for run in runs)
        middle = {key: rig.median([run[key] for run in runs]) for key in ("p50", "p99", "cpu")}
        errors = sum(run["errors"] for run in runs)
        print(
            f"{name:16} {rig.median(rates):7.0f}/s ({rates[0]:.0f} to {rates[-1]:.0f})  p50"
            f" {middle['p50']:5.1f} ms  p99 {middle['p99']:5.1f} ms  {middle['cpu']:4.0f} µs CPU a"
            f" request  {errors:.0f} errors"
        )
    bare = results.pop(BASE)
    for name, ours in results.items():
        rate, p99, cpu = (
            rig.median([one[key] for one in ours]) / rig.median([one[key] for one in bare])
            for key in ("rate", "p99", "cpu")
        )
        print(f"{name:16} / bare: rate {rate:.2f}, p99 {p99:.2f}, CPU {cpu:.2f}")


main()
