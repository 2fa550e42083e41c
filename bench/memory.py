"""Memory and start: the proportional set size and the processor time of everything `serve` starts
at rest, and how soon it is ready.

python bench/memory.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import rig
import webhook_sample
import wrk_load

RESTING = 10.0  # seconds
LOAD_SECONDS = 5.0


@dataclass(frozen=True)
class Start:
    """One start of `serve`: how soon it was ready, and what it used afterwards."""

    name: str
    ready: float  # seconds
    rest: float  # MB
    busy: float  # of a processor, at rest
    processes: int
    after: float  # MB after load


def main() -> None:
    print(rig.machine())
    for start in measure():
        print(
            f"{start.name}: ready in {start.ready:.2f} s; {start.rest:.0f} MB and"
            f" {start.busy:.1%} of a processor at rest in {start.processes} processes,"
            f" {start.after:.0f} MB after load"
        )


def measure(resting: float = RESTING, load_seconds: float = LOAD_SECONDS) -> Iterator[Start]:
    """Start `serve` twice on one store; yield each start."""
    with rig.folder() as path, rig.stub(path) as stub_port:
        script = wrk_load.write_script(path, webhook_sample.payload())
        accepted = 0
        for name in ("first start", "second start"):
            port = rig.free_port()
            began = time.monotonic()
            config = json.loads(webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start"))
            # with the host of its flows, as nearly everyone has it
            config["platforms"]["local"] = {"type": "local"}
            with rig.flowbridge(path, json.dumps(config), port) as run:
                ready = time.monotonic() - began
                time.sleep(1)
                rest = rig.pss(run.pid)
                used = rig.cpu(run.pid)
                time.sleep(resting)
                busy = (rig.cpu(run.pid) - used) / resting
                accepted += int(wrk_load.wrk(port, script, load_seconds)["requests"])
                processes = len(rig.tree(run.pid))
                after = rig.pss(run.pid)
                # or the second start would not be one at rest
                rig.drained(path / "starts", accepted)
            yield Start(name, ready, rest, busy, processes, after)


if __name__ == "__main__":
    main()
