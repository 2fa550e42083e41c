"""A burst over the cap: how much longer than its runs it takes, what the platform refuses, and how
often it is asked.

    python bench/burst.py [--events 150] [--slots 5] [--run 0.4] [--others 0]

At best the slots are never idle while anything waits: events x run / slots. With --others some
slots are others' who come and go, and what they leave is what counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import rig
import scheduled_load
import webhook_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=150)
    parser.add_argument("--slots", type=int, default=5)
    parser.add_argument("--run", type=float, default=0.4, help="seconds that a run takes")
    parser.add_argument("--others", type=int, default=0, help="slots that others hold at most")
    given = parser.parse_args()
    print(rig.machine())
    port = rig.free_port()
    with (
        rig.folder() as path,
        rig.slots_platform(given.slots, given.run, given.others) as url,
        rig.flowbridge(path, webhook_sample.slots_routes(url, given.slots), port),
    ):
        began = time.time()
        acks = scheduled_load.send(port, webhook_sample.payload(), given.events / 0.2, 0.2)
        until = time.monotonic() + 60 + 20 * given.events * given.run / given.slots
        while (told := stats(url))["ended"] < len(acks) and time.monotonic() < until:
            time.sleep(0.1)
        deliveries = settled(path, len(acks))
        told |= {name: stats(url)[name] for name in ("looks", "lists")}
    took = told["last_end"] - began
    needed = len(acks) * given.run
    ideal = needed / (told["free"] / took if given.others else given.slots)
    beside = f", of which others take up to {given.others}" if given.others else ""
    print(f"{len(acks)} events, runs of {given.run:g} s, {given.slots} slots{beside}")
    print(
        f"{took:.1f} s, {took / ideal:.2f} of the ideal {ideal:.1f} s; most at once {told['most']}"
    )
    print(
        f"{told['refused']} refused with 429, {told['looks']} looks and {told['lists']} lists:"
        f" {calls(told):.2f} for each run"
    )
    for (status, state, attempts), count in sorted(Counter(deliveries).items(), key=str):
        print(f"{count:4} {status}, {state}, attempts {attempts}")


def calls(told: dict) -> float:
    return (told["looks"] + told["lists"]) / max(1, told["starts"] - told["refused"])


def stats(url: str) -> dict:
    with urlopen(f"{url}/stats", timeout=5) as answer:
        return json.load(answer)


def settled(path: Path, count: int) -> list[tuple[str, str | None, int]]:
    """Return (status, run state, attempts) of each delivery, once all have ended or half a minute
    has passed.
    """
    until = time.monotonic() + 30
    while True:
        out = rig.run_command(path, "deliveries", "--limit", "0", "--json")
        found = [
            (one["status"], one["run_state"], one["attempts"])
            for one in map(json.loads, out.splitlines())
        ]
        if sum(state == "done" for _, state, _ in found) >= count or time.monotonic() > until:
            return found
        time.sleep(0.2)


if __name__ == "__main__":
    main()
