"""A storm of rewrites under load: no request fails, and no half-written file routes an event.

A few seconds of it by itself; the whole, with `wrk` where it is installed, is

    FLOWBRIDGE_STORM=30 pytest tests/runtime/test_reload_storm.py -s
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from reload_bench import in_place, made_anew, replaced
from reloading_bridge import ADMIN, OTHER, QUICK, TOKEN
from serving import Bridge, github, head, read_answer, signature, until

from bridge.config.loader import load
from bridge.core.timings import TIMINGS
from bridge.system.cpu_affinity import count_processors

WHOLE = float(os.environ.get("FLOWBRIDGE_STORM", "0"))  # seconds
BODY = (
    b'{"action": "opened", "issue": {"number": 7, "title": "'
    + b"All work and no play. " * 50
    + b'"}}'
)
HEAD = """
version: 1
platforms:
  local: {type: local, max_concurrent_runs: CAP}
sources:
  github: {provider: github, secret: "${env:HOOK_SECRET}"}
routes:
  - {name: vNUMBER-a, on: github, inputs: {n: NUMBER}, flow: local/echo, rate: 5/s}
"""
REST = """  - {name: vNUMBER-b, on: github, inputs: {n: NUMBER, title: "${body.issue.title}"}, flow: local/echo, mode: paused}
"""


def halves(number: int) -> tuple[str, str]:
    """A version, in two pieces of which the first is valid by itself."""
    return tuple(
        text.replace("NUMBER", str(number)).replace("CAP", str(1 + number % 5))
        for text in (HEAD, REST)
    )  # type: ignore[return-value]


class Storm:
    """Rewrites a routes.yaml: five in quick succession, then a pause in which the last may be
    taken.
    """

    def __init__(self, file: Path, seed: int, pause: float, gap: float, quiet: float) -> None:
        self.file = file
        self.random = Random(seed)
        self.pause = pause
        self.gap = gap
        self.quiet = quiet
        self.whole: dict[str, int] = {}  # number by hash
        self.short: dict[str, str] = {}  # first piece by hash
        # first pieces that were there alone for so long that they were to be taken
        self.stood: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.last = -1  # the last that was valid

    def note(self, number: int, text: str) -> str:
        probe = self.file.with_name("probe.yaml")
        probe.write_text(text)
        found = load(probe, {"HOOK_SECRET": OTHER}).hash
        probe.unlink()
        return found

    def prepare(self, count: int) -> None:
        for number in range(count + 1):
            first, rest = halves(number)
            self.whole[self.note(number, first + rest)] = number
            self.short[self.note(number, first)] = first
        assert not self.short.keys() & self.whole.keys()

    def rewrite(self, number: int) -> None:
        first, rest = halves(number)
        kind, act = self.random.choice(list(KINDS.items()))
        self.kinds[kind] += 1
        act(self, first, rest)
        if kind.startswith("valid"):
            self.last = number

    def in_two(self, first: str, rest: str) -> None:
        began = time.monotonic()
        self.file.write_text(first)
        time.sleep(self.random.uniform(0.2, 0.8) * self.gap)
        with self.file.open("a") as file:
            file.write(rest)
        if time.monotonic() - began >= self.quiet:  # this process stood still
            self.stood.add(first)

    def run(self, count: int, seconds: float, is_taken: Callable[[int], object]) -> None:
        """`is_taken` waits, after the last of five, for a version that was valid."""
        began = time.monotonic()
        for number in range(1, count + 1):
            self.rewrite(number)
            is_last_of_five = number % 5 == 0
            time.sleep(self.pause if is_last_of_five else self.gap * self.random.random())
            if is_last_of_five and self.last == number:
                is_taken(number)
            if is_last_of_five:  # keep to the time
                time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))


KINDS: dict[str, Callable[[Storm, str, str], None]] = {
    "valid, replaced": lambda storm, first, rest: replaced(storm.file, first + rest),
    "valid, unlinked and made anew": lambda storm, first, rest: made_anew(storm.file, first + rest),
    "valid, in place": lambda storm, first, rest: in_place(storm.file, first + rest),
    "valid, in place, in two pieces": Storm.in_two,
    "invalid: cut off": lambda storm, first, rest: replaced(storm.file, first + rest[:40]),
    "invalid: unknown flow": lambda storm, first, rest: in_place(
        storm.file, (first + rest).replace("local/", "locl/")
    ),
    "invalid: empty": lambda storm, _first, _rest: in_place(storm.file, ""),
}


class Load:
    """Senders on connections of their own; each answer that is no 202 is a failure."""

    def __init__(self, port: int, senders: int) -> None:
        self.port = port
        self.failed = Counter[str]()
        self.sent = 0
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 60) as sock:
            while not self._over.is_set():
                headers = github(BODY) | {
                    "X-Hub-Signature-256": signature(BODY, OTHER),
                    "Content-Length": str(len(BODY)),
                }
                began = time.monotonic()
                try:
                    sock.sendall(head("POST", "/hooks/github", headers) + BODY)
                    answer = read_answer(sock)
                except OSError as error:
                    self.failed[repr(error)] += 1
                    return
                self.sent += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                if answer.status != 202:
                    self.failed[str(answer.status)] += 1
                time.sleep(0.002)


@contextmanager
def wrk(folder: Path, port: int, seconds: float) -> Iterator[dict[str, float]]:
    """Load it with wrk meanwhile; what it says is there afterwards."""
    script = folder / "load.lua"
    (folder / "body").write_bytes(BODY)
    script.write_text(f"""
local file = io.open("{folder / "body"}", "rb")
local body = file:read("*a")
local n = 0
function request()
  n = n + 1
  return wrk.format("POST", "/hooks/github", {{["Content-Type"] = "application/json", ["X-GitHub-Event"] = "issues",
    ["X-GitHub-Delivery"] = "wrk-" .. n, ["X-Hub-Signature-256"] = "{signature(BODY, OTHER)}"}}, body)
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %f %f %f %d\\n", summary.requests, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect + e.read + e.write + e.status + e.timeout))
end
""")
    command = [
        "wrk",
        "-t1",
        "-c8",
        f"-d{seconds:g}s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}",
    ]
    found: dict[str, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield found
        said = process.communicate()[0]
    names = ("requests", "p50", "p99", "max", "errors")
    numbers = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+) (\S+)", said)
    assert numbers, said
    found |= dict(zip(names, map(float, numbers.groups()), strict=True))


@pytest.mark.usefixtures("new_processes")
def test_no_request_fails_and_nothing_is_planned_by_half_a_file(tmp_path: Path) -> None:
    seconds, count = (WHOLE, 100) if WHOLE else (5.0, 25)
    quiet = TIMINGS.config_quiet_seconds if WHOLE else 0.3
    bridge = Bridge(
        tmp_path,
        timings={} if WHOLE else QUICK | {"config_quiet_seconds": quiet},
        environ={
            "HOOK_SECRET": OTHER,
            "FLOWBRIDGE_ADMIN_TOKEN": TOKEN,
            "FLOWBRIDGE_LOG": "warning",
        },
    )
    bridge.config.write_text("".join(halves(0)))
    storm = Storm(
        bridge.config, seed=int(seconds), pause=1.1 if WHOLE else 0.7, gap=0.1, quiet=quiet
    )
    storm.prepare(count)
    uses_wrk = bool(WHOLE) and shutil.which("wrk") is not None
    with bridge:
        processes = 2 + min(2, count_processors())  # who reads, the worker, and the receivers
        before = until(
            lambda: len(pids := {pid for pid, _ in places(bridge)}) == processes and pids,
            what="all processes",
        )
        with Load(bridge.port, 4) as load_of:
            if uses_wrk:
                with wrk(tmp_path, bridge.port, seconds) as told:
                    storm.run(
                        count, seconds, lambda number: is_used(bridge, storm, load_of, number)
                    )
            else:
                told = {}
                storm.run(count, seconds, lambda number: is_used(bridge, storm, load_of, number))
            bridge.config.write_text("".join(halves(0)))
            is_used(bridge, storm, load_of, 0)
        assert not load_of.failed
        assert told.get("errors", 0) == 0
        assert {pid for pid, _ in places(bridge)} == before, "nobody had to begin anew"
        taken = check(bridge, storm, load_of.sent + int(told.get("requests", 0)))
        assert len(taken) >= count // 12, "some of them were taken"
        assert "Traceback" not in bridge.stderr
        print(  # noqa: T201
            f"\n{sum(storm.kinds.values())} rewrites in {seconds:g} s, {dict(storm.kinds)}; {len(taken)} configurations planned events;"
            f" senders: {load_of.sent} requests, {sum(load_of.failed.values())} failed, slowest"
            f" {load_of.slowest * 1000:.0f} ms;"
            f" wrk: {told or 'not used'}"
        )


def places(bridge: Bridge) -> list[tuple[int, str]]:
    return [
        (one["pid"], one["config_hash"]) for one in bridge.get("/readyz", ADMIN).json["processes"]
    ]


def is_used(bridge: Bridge, storm: Storm, load_of: Load, number: int) -> None:
    """Wait until every process has a version, and each sender has been answered by it."""
    expected = next(digest for digest, one in storm.whole.items() if one == number)
    until(
        lambda: {digest for _, digest in places(bridge)} == {expected},
        what="the last in every process",
    )
    before = load_of.sent
    until(lambda: load_of.failed or load_of.sent >= before + 8, what="requests")


def check(bridge: Bridge, storm: Storm, sent: int) -> set[int]:
    """See that each event was planned by the whole of a version, which is kept; return those
    versions.

    But for a first piece that was not gone on with for as long as the bridge waits.
    """
    with bridge.database.read() as connection:
        kept = {row[0] for row in connection.exec_driver_sql("SELECT hash FROM config")}
        query = """
SELECT event.config_hash, count(DISTINCT event.id), count(*),
    group_concat(DISTINCT delivery.route), min(delivery.config_hash)
FROM event JOIN delivery ON delivery.event_id = event.id GROUP BY event.config_hash, delivery.config_hash"""
        planned = connection.exec_driver_sql(query).all()
    stood = {digest for digest, first in storm.short.items() if first in storm.stood}
    assert kept <= storm.whole.keys() | stood, "a configuration that nobody has written was kept"
    events = 0
    for digest, of_it, deliveries, routes, of_delivery in planned:
        if digest in stood:
            events += of_it
            continue
        number = storm.whole[digest]  # KeyError: planned by what was never whole
        assert digest in kept
        assert of_delivery == digest
        assert set(routes.split(",")) == {f"v{number}-a", f"v{number}-b"}
        assert deliveries == 2 * of_it
        events += of_it
    assert events == bridge.count()
    assert 0 <= events - sent <= 8, (
        "each request that was answered, and what was under way when wrk ended"
    )
    return {storm.whole[digest] for digest, *_ in planned if digest not in stood}
