"""Memory and start: the proportional set size and the processor time of everything `serve` starts
at rest, and how soon it is ready.

python bench/memory.py
"""

from __future__ import annotations

import json
import time

import rig

RESTING = 10.0  # seconds


def main() -> None:
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        script = rig.lua(path, rig.payload())
        accepted = 0
        for attempt in ("first start", "second start"):
            port = rig.free_port()
            began = time.monotonic()
            config = json.loads(rig.routes(f"http://127.0.0.1:{stub_port}/start"))
            # with the host of its flows, as nearly everyone has it
            config["platforms"]["local"] = {"type": "local"}
            with rig.flowbridge(path, json.dumps(config), port) as run:
                ready = time.monotonic() - began
                time.sleep(1)
                rest = rig.pss(run.pid)
                busy = rig.cpu(run.pid)
                time.sleep(RESTING)
                busy = (rig.cpu(run.pid) - busy) / RESTING
                accepted += int(rig.wrk(port, script, 5)["requests"])
                processes = len(rig.tree(run.pid))
                after = rig.pss(run.pid)
                # or the second start would not be one at rest
                rig.drained(path / "starts", accepted)
                print(
                    f"{attempt}: ready in {ready:.2f} s; {rest:.0f} MB and {busy:.1%} of a"
                    f" processor at rest in {processes} processes, {after:.0f} MB after load"
                )


main()
