"""`flowbridge test` on stored events: its processor time and memory beside those of
`flowbridge check` of the same file.

    python bench/compare.py [--events 10000] [--runs 3]

Each is a process of its own, in turn; the events are GitHub's of 9 KB, the route is the one of the
other measurements, and the changed file gives one input another text.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import databases
import rig
import webhook_sample
from sqlalchemy import insert

from bridge.config.loader import load
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.queries import configs
from bridge.store.tables.schema import event

BATCH_ROWS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path:
        fill(path, given.events)
        commands = {
            "check": ["check"],
            "test, nothing changes": ["test", "--since", "2000-01-01", "--json"],
            "test, every event changes": [
                "test", "--since", "2000-01-01", "--routes", "new.yaml", "--json",
            ],
        }  # fmt: skip
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(given.runs):
            for name, words in commands.items():
                found[name].append(measure(path, words))
        least_seconds, least_peak = medians(found["check"])
        for name, pairs in found.items():
            seconds, peak = medians(pairs)
            more = f"{seconds - least_seconds:+6.2f} s  {peak - least_peak:+6.1f} MB"
            print(f"{name:28} {seconds:6.2f} s  {peak:6.1f} MB   over check: {more}", flush=True)


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(one for one, _ in pairs), statistics.median(one for _, one in pairs)


def fill(path: Path, count: int) -> None:
    """Write routes.yaml and a changed copy, and store so many events."""
    text = webhook_sample.routes("http://127.0.0.1:9/")
    (path / "routes.yaml").write_text(text)
    changed = text.replace("${body.issue.title}", "a title: ${body.issue.title}")
    assert changed != text
    (path / "new.yaml").write_text(changed)
    config = load(path / "routes.yaml", {})
    body = webhook_sample.payload()
    with databases.new_store(path / "data") as database:
        add_events(database, config, body, count)


def add_events(database: Database, config: Config, body: bytes, count: int) -> None:
    """Store the configuration and so many events with this body."""
    digest = hashlib.sha256(body).hexdigest()
    configs.remember_config(database, config.hash, config.canonical, time.time())
    now = time.time()
    for start in range(0, count, BATCH_ROWS):
        rows = [
            {
                "id": f"evt_{number:026d}",
                "source": "github",
                "provider": "github",
                "type": "issues",
                "provider_id": f"provider-{number}",
                "received_at": now - (count - number) * 0.5,
                "config_hash": config.hash,
                "body_sha256": digest,
                "headers": '{"content-type":"application/json"}',
                "query_string": "",
                "body": body,
            }
            for number in range(start, min(start + BATCH_ROWS, count))
        ]
        database.write(lambda connection, rows=rows: connection.execute(insert(event), rows))


def measure(path: Path, words: list[str]) -> tuple[float, float]:
    """Return the seconds of processor time and the peak of resident memory in MB of a command."""
    environ = {**os.environ, **rig.places(path)}
    errors = path / "errors"
    with errors.open("wb") as file:
        run = subprocess.Popen(
            [*rig.BRIDGE, *words],
            cwd=path,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
    peak = 0.0
    while True:
        peak = max(peak, peak_of(run.pid))
        ended, status, usage = os.wait4(run.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != 0:
        sys.exit(errors.read_text())
    return usage.ru_utime + usage.ru_stime, peak


def peak_of(pid: int) -> float:
    """Return the peak of resident memory of a process since its exec, in MB; 0 once it has ended.

    `ru_maxrss` would count the memory of this process, which it was forked from.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
