"""Durable ingest: acknowledged events a second, against a bare Flask view on the same gunicorn
settings, in one run.

python bench/ingest.py [--seconds 4] [--runs 5] [--connections 16]
"""

from __future__ import annotations

import sys

import rig

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
        bare = [sys.executable, "-m", "gunicorn", "-c", str(path / "conf.py"), "bare:app"]
        environ = {
            "FLOWBRIDGE_BIND": f"127.0.0.1:{bare_port}",
            "FLOWBRIDGE_DATA": str(path / "bare"),
        }
        with (
            rig.process(bare, f"http://127.0.0.1:{bare_port}/", **environ) as first,
            rig.flowbridge(path, rig.routes("http://127.0.0.1:9/"), port, "web") as second,
        ):
            servers = {"bare Flask view": (bare_port, first.pid), "flowbridge": (port, second.pid)}
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
    bare = results["bare Flask view"]
    ours = results["flowbridge"]
    ratio = lambda key: rig.median([b[key] for b in ours]) / rig.median([a[key] for a in bare])  # noqa: E731
    print(f"ratio: rate {ratio('rate'):.2f}, p99 {ratio('p99'):.2f}, CPU {ratio('cpu'):.2f}")


main()
