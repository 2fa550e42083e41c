"""From acknowledgement to start: how long after an event was received its start arrives at the flow
server.

    python bench/latency.py [--rate 500] [--seconds 10]

Open loop: events are sent on a schedule whatever the answers take, each on a connection of its own,
as senders do.
"""

from __future__ import annotations

import argparse
import time

import rig
import scheduled_load
import webhook_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        port = rig.free_port()
        body = webhook_sample.payload()
        with rig.flowbridge(
            path, webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start"), port
        ):
            acks = scheduled_load.send(port, body, given.rate, given.seconds)
            until = time.monotonic() + 30
            while time.monotonic() < until and len(
                (path / "starts").read_text().splitlines()
            ) < len(acks):
                time.sleep(0.05)
        starts = {
            event: float(at)
            for at, event in (line.split() for line in (path / "starts").read_text().splitlines())
        }
    waits = sorted(
        (starts[event] - at) * 1000 for event, (at, _) in acks.items() if event in starts
    )
    answers = sorted(took * 1000 for _, took in acks.values())
    print(f"{len(acks)} events at {given.rate:g}/s, {len(acks) - len(waits)} not started")
    for name, values in (
        ("request to acknowledgement", answers),
        ("acknowledgement to start", waits),
    ):
        print(
            f"{name:27} p50 {rig.quantile(values, 0.5):6.1f} ms  p99 {rig.quantile(values, 0.99):6.1f} ms "
            f" max {values[-1]:6.1f} ms"
        )


if __name__ == "__main__":
    main()
