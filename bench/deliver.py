"""End to end: accept, plan, store, start, settle; deliveries a second to a flow server that answers
at once.

    python bench/deliver.py [--seconds 10] [--connections 16]

The rate is all deliveries over the time from the first request to the last start, the backlog
included.
"""

from __future__ import annotations

import argparse
import time

import rig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        port = rig.free_port()
        script = rig.lua(path, rig.payload())
        with rig.flowbridge(path, rig.routes(f"http://127.0.0.1:{stub_port}/start"), port) as run:
            before = rig.cpu(run.pid)
            began = time.monotonic()
            result = rig.wrk(port, script, given.seconds, given.connections)
            started = rig.drained(path / "starts", int(result["requests"]))
            took = time.monotonic() - began
            used = rig.cpu(run.pid) - before
    accepted = f"accepted {result['requests']:.0f} in {given.seconds:g} s"
    print(
        f"{accepted} ({result['rate']:.0f}/s, p99 {result['p99']:.1f} ms, {result['errors']:.0f}"
        " errors)"
    )
    print(
        f"started {started} in {took:.1f} s: {started / took:.0f} deliveries/s,"
        f" {used / started * 1e6:.0f} µs CPU each"
    )


main()
