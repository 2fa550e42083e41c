"""Start: how soon `serve` and `web` are ready and how long a command takes that reads the store,
against `python -c 'import flask'` in the same run.

    python bench/start.py [--runs 11] [--events 200]

Each takes its turn. The store has events, and every one ran once before it is measured, so nothing
is compiled or migrated. The fastest run is the one that other work on the machine delayed least.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import rig
import store_rows
import webhook_sample

EVENTS = 200
RUNS = 11
BASE = "python -c 'import flask'"
SERVE = "serve until it is ready"
WEB = "web until it is ready"
COMMAND = "flowbridge events --limit 1"


@dataclass(frozen=True)
class Took:
    """What one run took, in seconds."""

    wall: float
    cpu: float  # of a processor, children included


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--events", type=int, default=EVENTS)
    given = parser.parse_args()
    print(rig.machine())
    found = measure(given.runs, given.events)
    print(f"{'':28} {'fastest':>10} {'of flask':>9} {'median':>10} {'of flask':>9} {'CPU':>10}")
    for name in found:
        fastest, middle = (pick(found, name) for pick in (find_fastest, find_median))
        print(
            f"{name:28} {fastest * 1000:7.0f} ms {fastest / find_fastest(found, BASE):9.2f}"
            f" {middle * 1000:7.0f} ms {middle / find_median(found, BASE):9.2f}"
            f" {min(run.cpu for run in found[name]) * 1000:7.0f} ms"
        )


def find_fastest(found: Mapping[str, list[Took]], name: str) -> float:
    """Return the seconds of the fastest run."""
    return min(run.wall for run in found[name])


def find_median(found: Mapping[str, list[Took]], name: str) -> float:
    """Return the median of the seconds of the runs."""
    return rig.median([run.wall for run in found[name]])


def measure(runs: int = RUNS, events: int = EVENTS) -> dict[str, list[Took]]:
    """Return what each run took, in turn."""
    with rig.folder() as path:
        store_rows.fill_folder(path / "data", events)
        kinds: dict[str, Callable[[], Took]] = {
            BASE: lambda: run_once([sys.executable, "-c", "import flask"], path),
            SERVE: lambda: start(path, "serve"),
            WEB: lambda: start(path, "web"),
            COMMAND: lambda: run_once([*rig.BRIDGE, "events", "--limit", "1"], path),
        }
        found: dict[str, list[Took]] = {name: [] for name in kinds}
        for number in range(runs + 1):
            for name, run in kinds.items():
                took = run()
                found[name] += [took] if number else []  # the first of each warms up
        return found


def start(path: Path, command: str) -> Took:
    """Start a server, and return what it took until it was ready."""
    began = time.monotonic()
    with rig.flowbridge(
        path, webhook_sample.routes("http://127.0.0.1:9/"), rig.free_port(), command
    ) as run:
        return Took(time.monotonic() - began, rig.cpu(run.pid))


def run_once(command: list[str], path: Path) -> Took:
    """Run a command to its end. Exit if it fails."""
    environ = {**os.environ, **rig.places(path)}
    began = time.monotonic()
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as run:
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
        assert run.stderr is not None
        if run.returncode:
            sys.exit(f"{' '.join(command)}: {run.stderr.read().decode().strip()[-300:]}")
    return Took(took, used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
