"""What encryption at rest costs: receiving, and from request to settled start, with a key and
without, in turn in one run.

    python bench/seal.py [--seconds 4] [--runs 5] [--connections 16]

On a machine that does other things, too, the CPU of a request says more than the rate.
"""

from __future__ import annotations

import contextlib
import os
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import rig
import webhook_sample
import wrk_load

KINDS = {
    "in clear": {},
    "sealed": {"FLOWBRIDGE_ENCRYPTION_KEYS": urlsafe_b64encode(os.urandom(32)).decode()},
}


def main() -> None:
    given = wrk_load.asked(__doc__)
    print(rig.machine())
    print(f"{wrk_load.describe_load(given.connections, given.runs)}: medians")
    report("receiving", receive(given))
    report("to the end", deliver(given))


def receive(given: wrk_load.LoadPlan) -> wrk_load.Results:
    with rig.folder() as path, contextlib.ExitStack() as servers:
        script = wrk_load.write_script(path, webhook_sample.payload())
        running = {}
        for name, environ in KINDS.items():
            port = rig.free_port()
            routes = webhook_sample.routes("http://127.0.0.1:9/")
            running[name] = (
                port,
                servers.enter_context(
                    rig.flowbridge(own(path, name), routes, port, "web", **environ)
                ).pid,
            )
        return wrk_load.in_turn(running, script, given)


def deliver(given: wrk_load.LoadPlan) -> wrk_load.Results:
    results: wrk_load.Results = {name: [] for name in KINDS}
    for _ in range(given.runs):
        for name, environ in KINDS.items():
            with rig.folder() as path, rig.stub(path) as stub_port:
                port = rig.free_port()
                script = wrk_load.write_script(path, webhook_sample.payload())
                with rig.flowbridge(
                    own(path, name),
                    webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start"),
                    port,
                    **environ,
                ) as run:
                    before = rig.cpu(run.pid)
                    began = time.monotonic()
                    result = wrk_load.wrk(port, script, given.seconds, given.connections)
                    started = rig.drained(path / "starts", int(result["requests"]))
                    result |= {
                        "rate": started / (time.monotonic() - began),
                        "cpu": (rig.cpu(run.pid) - before) / started * 1e6,
                    }
            results[name].append(result)
    return results


def own(path: Path, name: str) -> Path:
    folder = path / name.replace(" ", "-")
    folder.mkdir()
    return folder


def report(what: str, results: wrk_load.Results) -> None:
    middle = {
        name: {key: rig.median([run[key] for run in runs]) for key in ("rate", "p99", "cpu")}
        for name, runs in results.items()
    }
    for name, found in middle.items():
        print(
            f"{what:12} {name:9} {found['rate']:7.0f}/s  p99 {found['p99']:5.1f} ms "
            f" {found['cpu']:4.0f} µs CPU each"
        )
    plain, sealed = (middle[name] for name in KINDS)
    print(
        f"{what:12} ratio     rate {sealed['rate'] / plain['rate']:.2f}, p99"
        f" {sealed['p99'] / plain['p99']:.2f}, CPU {sealed['cpu'] / plain['cpu']:.2f}"
    )


main()
