"""Cut the power at random moments of a record, and look for acknowledged events that are lost.

    python .ci/power_loss.py [--seconds 12] [--cuts 150]

strace records what `flowbridge web`, and then `flowbridge serve`, do on SQLite while webhooks
arrive. The files are made as a disk may hold them at a moment, in two variants: of what was not
synced by then it has nothing, or a random half of the sectors. SQLite opens them, and each event
whose answer was sent must be there as its sender sent it. Half of the moments are answers, the
others any step of the record.

Exits 1 if an event is lost or the database is corrupt; also if the same record without the syncs of
the write-ahead log loses nothing, as the check would then find nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random, sample

from traced_disk import DATABASE, FILES, LOG, TRACED_CALLS, Disk, Step, read_steps

FLOWBRIDGE = Path(sys.executable).with_name("flowbridge")
HOST = "127.0.0.1"
COMMANDS = ("web", "serve")
READY_SECONDS, POLL_SECONDS = 60.0, 0.05
SENDERS = 8
START_EVERY = 5  # each fifth event starts a flow
MAX_FILLER_BYTES = 6000  # some bodies have overflow pages
MAX_TRACED_BYTES = 1 << 20  # above SQLite's largest write
CONTROL_CUTS = 60
VARIANTS = (0.0, 0.5)  # share of what is not synced that the disk has all the same
ROUTES = {
    "version": 1,
    "platforms": {"local": {"type": "local"}},
    "sources": {"load": {"provider": "token", "insecure": True, "event_type": "body:type"}},
    "routes": [
        {"name": "start", "on": "load start", "inputs": {"n": "${body.n}"}, "flow": "local/echo"}
    ],
}
Bodies = dict[str, bytes]  # by the id of the event


def make_body(number: int) -> bytes:
    kind = "other" if number % START_EVERY else "start"
    filler = "x" * (number * 37 % MAX_FILLER_BYTES)
    return json.dumps({"type": kind, "n": number, "filler": filler}).encode()


def send_events(port: int, first: int, until: float, bodies: Bodies) -> None:
    """Post events on one connection, and note the body of each under the id that was answered."""
    number = first
    with closing(http.client.HTTPConnection(HOST, port, timeout=READY_SECONDS)) as connection:
        while time.monotonic() < until:
            body = make_body(number)
            connection.request("POST", "/hooks/load", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise SystemExit(f"an event was answered with {answer.status}")
            bodies[json.loads(text)["event_id"]] = body
            number += SENDERS


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            with closing(http.client.HTTPConnection(HOST, port, timeout=1)) as connection:
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            time.sleep(POLL_SECONDS)
    raise SystemExit("flowbridge under strace did not become ready")


def record(command: str, folder: Path, seconds: float) -> Bodies:
    """Run flowbridge under strace and load; return the acknowledged events."""
    (folder / "routes.yaml").write_text(json.dumps(ROUTES))
    with closing(socket.create_server((HOST, 0))) as server:
        port = server.getsockname()[1]
    environ = {
        **os.environ,
        "FLOWBRIDGE_CONFIG": str(folder / "routes.yaml"),
        "FLOWBRIDGE_DATA": str(folder / "data"),
        "FLOWBRIDGE_BIND": f"{HOST}:{port}",
    }
    tracing = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", str(MAX_TRACED_BYTES)]
    tracing += ["-e", f"trace={','.join(TRACED_CALLS)}", "-o", str(folder / "record")]
    bodies: Bodies = {}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            ["strace", *tracing, FLOWBRIDGE, command], stdout=log, stderr=log, env=environ
        ) as process,
    ):
        try:
            wait_until_ready(port, process)
            until = time.monotonic() + seconds
            with ThreadPoolExecutor(SENDERS) as pool:
                for each in [
                    pool.submit(send_events, port, first, until, bodies) for first in range(SENDERS)
                ]:
                    each.result()
        finally:
            if process.poll() is None:
                stop_traced(folder / "record")
    return bodies


def stop_traced(path: Path) -> None:
    """Stop what strace runs, whose id is the first in the record; a signal does not stop strace."""
    with path.open() as lines:
        os.kill(int(lines.readline().split()[0]), signal.SIGTERM)


def find_faults(files: dict[str, bytes], due: Bodies, scratch: Path) -> Counter[str]:
    """Return how many of the events that are due SQLite does not find, and if it is corrupt."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            with closing(sqlite3.connect(Path(folder, DATABASE))) as connection:
                connection.execute("PRAGMA synchronous = OFF")
                verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                found = dict(connection.execute("SELECT id, body FROM event"))
        except sqlite3.DatabaseError:
            return Counter(corrupt=1)
    lost = sum(found.get(each) != body for each, body in due.items())
    return Counter(lost=lost, cuts_with_loss=lost > 0, corrupt=verdict != "ok")


def cut_power(
    steps: Sequence[Step],
    moments: set[int],
    variants: Sequence[float],
    bodies: Bodies,
    scratch: Path,
) -> tuple[Counter[str], Disk]:
    """Cut the power after the steps with these numbers, in each variant, and count faults."""
    chance, faults, disk, due = Random(), Counter[str](), Disk(), Bodies()
    for number, step in enumerate(steps):
        if step.kind == "answer":
            due[step.name] = bodies[step.name]
        else:
            disk.follow(step)
        if number in moments:
            for variant in variants:
                faults += find_faults(disk.lose_power(variant, chance), due, scratch)
                faults["cuts"] += 1
    return faults, disk


def pick_answers(steps: Sequence[Step], count: int) -> set[int]:
    numbers = [number for number, step in enumerate(steps) if step.kind == "answer"]
    return set(sample(numbers, min(count, len(numbers))))


def check(command: str, folder: Path, seconds: float, cuts: int) -> bool:
    """Record and cut, print the counts, and return whether all is as it must be."""
    folder.mkdir()
    bodies = record(command, folder, seconds)
    data = folder / "data"
    with (folder / "record").open("rb") as lines:
        steps = list(read_steps(lines, data))
    if {step.name for step in steps if step.kind == "answer"} != set(bodies):
        raise SystemExit(f"{command}: the record has other answers than the senders")
    moments = pick_answers(steps, cuts)
    moments |= set(sample(range(min(moments), len(steps)), cuts))
    faults, disk = cut_power(steps, moments, VARIANTS, bodies, folder)
    files = {name: (data / name).read_bytes() for name in FILES if (data / name).exists()}
    if disk.lose_power(1.0, Random()) != files:
        raise SystemExit(f"{command}: the record leads to other files than flowbridge has left")
    unsynced = [step for step in steps if step.name != LOG or not step.kind.startswith("sync")]
    moments = pick_answers(unsynced, CONTROL_CUTS)
    control, _ = cut_power(unsynced, moments, VARIANTS[:1], bodies, folder)
    print(
        f"{command}: {len(bodies)} events acknowledged, {faults['cuts']} cuts:"
        f" {faults['lost']} lost, {faults['corrupt']} corrupt; without the syncs of the log"
        f" {control['cuts_with_loss']} of {control['cuts']} cuts lose events",
        flush=True,
    )
    return not faults["lost"] and not faults["corrupt"] and control["cuts_with_loss"] > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="of load, for each command")
    parser.add_argument("--cuts", type=int, default=150, help="at answers, and as many others")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing that was begun is left
    folder = Path(tempfile.mkdtemp()).resolve()
    print(f"{folder} is kept if something is wrong", file=sys.stderr)
    if not all(check(each, folder / each, given.seconds, given.cuts) for each in COMMANDS):
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
