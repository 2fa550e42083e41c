"""Deploys under a steady load: what is refused, lost or started twice, and how much longer anything
waits than without one.

    python bench/deploy.py [--deploys 3] [--rate 20] [--call 0.3] [--run 0.5] [--database-url URL]
    [--only serve|split] [--restart]

Processes are replaced as deploy/install.sh does it: each is told by SIGUSR2 to have another take
over, which begins while it goes on; the next is told when that one is ready. With --restart as
`systemctl restart` does it: a socket that stays open, the old one told to end, the new one begun
when it has. `serve` is all in one; `split` is two `work` and a `web`, one after the other. The same
load without a deploy is measured before each, in the same run. Each start is answered after --call
seconds, so every stop meets some under way. On SQLite, or on the PostgreSQL whose empty database
--database-url names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import rig
import scheduled_load
import webhook_sample

AROUND = 2.0  # seconds of load before and after a deploy
QUIET = 5.0  # seconds of load without one
PATIENCE = 60.0  # seconds for what is said to happen
# in the order in which they are replaced
KINDS = {"serve": ("serve",), "split": ("work", "work", "web")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deploys", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument(
        "--call", type=float, default=0.3, help="seconds that the answer to each start takes"
    )
    parser.add_argument("--run", type=float, default=0.5, help="seconds that a run takes")
    parser.add_argument("--database-url", default="")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--restart", action="store_true", help="one ends before the next begins")
    given = parser.parse_args()
    print(rig.machine())
    print(
        f"{given.rate:g} events/s, runs of {given.run:g} s, {given.call:g} s for the answer to each"
        " start"
    )
    for kind in [given.only] if given.only else KINDS:
        measure(kind, given)


def measure(kind: str, given: argparse.Namespace) -> None:
    # a run holds one until a look comes after its end
    slots = int(given.rate * (given.call + 2 * given.run)) + 8
    with (
        rig.folder() as path,
        rig.slots_platform(slots, given.run, call_seconds=given.call) as url,
        socket.create_server(("127.0.0.1", 0), backlog=1024) as listening,
    ):
        (path / "routes.yaml").write_text(webhook_sample.slots_routes(url, slots))
        services = [
            Service(path, f"{name}{n}", name, listening, given.database_url)
            for n, name in enumerate(KINDS[kind])
        ]
        with contextlib.ExitStack() as stack:
            for service in services[::-1]:  # the receivers bring the schema up to date
                stack.callback(service.stop)
                service.start()
            without = Load(url)
            during = Load(url)
            for number in range(given.deploys):
                with loading(listening.getsockname()[1], given.rate, f"q{number}", without):
                    time.sleep(QUIET)
                with loading(listening.getsockname()[1], given.rate, f"d{number}", during):
                    time.sleep(AROUND)
                    for service in services:
                        if given.restart:
                            service.stop()
                            service.start()
                        else:
                            service.replace()
                    time.sleep(AROUND)
            wait_for(lambda: without.missing() + during.missing() == 0, "every start", quietly=True)
    how = "restarted" if given.restart else "taken over"
    print(
        f"\n{kind}, {how}, on {'PostgreSQL' if given.database_url else 'SQLite'}:"
        f" {' '.join(KINDS[kind])}"
    )
    print(
        f"{'':18} {'acknowledged':>13} {'refused':>8} {'lost':>5} {'twice':>6} {'longest ack':>12}"
        f" {'ack to start':>13}"
    )
    without.tell("without a deploy")
    during.tell(f"{given.deploys} deploys")
    ack, start = without.longest()
    longer_ack, longer_start = during.longest()
    print(f"{'longer by':18} {'':37} {longer_ack - ack:10.2f} s {longer_start - start:11.2f} s")
    for service in services:
        service.tell()


@contextlib.contextmanager
def loading(port: int, rate: float, run: str, load: Load) -> Iterator[None]:
    """Send events until the end of the block, and note in `load` what became of them."""
    over = threading.Event()

    def send() -> None:
        load.acks |= scheduled_load.send(
            port,
            webhook_sample.payload(),
            rate,
            600.0,
            run,
            threads=64,
            over=over,
            refused=load.refused,
        )

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


@dataclass
class Load:
    """Events that were sent, and what became of them at the platform at `url`."""

    url: str
    acks: dict[str, tuple[float, float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    starts: Counter[str] = field(default_factory=Counter)
    at: dict[str, float] = field(default_factory=dict)

    def missing(self) -> int:
        """Ask the platform what it has started; return how many events are not among them."""
        with urlopen(f"{self.url}/started", timeout=5) as answer:
            started = json.load(answer)["started"]
        self.starts = Counter(event for event, _ in started)
        self.at = dict(reversed(started))  # the first start of each
        return len(self.acks.keys() - self.starts.keys())

    def longest(self) -> tuple[float, float]:
        """Return the longest times from the request to the acknowledgement, and from there to the
        start.
        """
        acks = [took for _, took in self.acks.values()]
        starts = [self.at[event] - at for event, (at, _) in self.acks.items() if event in self.at]
        return max(acks, default=0.0), max(starts, default=0.0)

    def tell(self, name: str) -> None:
        twice = sum(self.starts[event] > 1 for event in self.acks)
        ack, start = self.longest()
        lost = len(self.acks.keys() - self.starts.keys())
        print(
            f"{name:18} {len(self.acks):13} {len(self.refused):8} {lost:5} {twice:6} {ack:10.2f} s"
            f" {start:11.2f} s"
        )
        for error, count in Counter(self.refused).most_common(3):
            print(f"{'':18} {count} times {error}")


class Service:
    """A command that is kept as systemd keeps one of Type=notify, on a socket that outlives it
    where it listens.
    """

    def __init__(
        self, path: Path, name: str, command: str, listening: socket.socket, database_url: str
    ) -> None:
        self._name = name
        self._told = path / f"{name}.notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self._told))
        self._notify.settimeout(0.1)
        self._environ = {**os.environ, **rig.places(path), "NOTIFY_SOCKET": str(self._told)}
        if database_url:
            self._environ |= {
                "FLOWBRIDGE_DATABASE_URL": database_url,
                "FLOWBRIDGE_SECRET_KEY": webhook_sample.SECRET,
            }
        self._command = [*rig.BRIDGE, command]
        self._given = ()
        if command != "work":
            self._environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}
            self._given = (listening.fileno(),)
            self._command = [
                "bash",
                "-c",
                f'LISTEN_PID=$$ exec "$@" 3<&{self._given[0]}',
                "bash",
                *self._command,
            ]
        self._process: subprocess.Popen | None = None
        self._pid = 0
        self._log = (path / f"{name}.log").open("ab")
        self._stops: list[float] = []
        self._starts: list[tuple[float, float]] = []  # (seconds until ready, processor seconds)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            env=self._environ,
            pass_fds=self._given,
            stdout=self._log,
            stderr=self._log,
        )
        self._pid = self._process.pid
        wait_for(lambda: self._hears("READY=1"), f"READY=1 of {self._name}")
        self._starts.append((time.monotonic() - began, rig.cpu(self._pid)))

    def replace(self) -> None:
        """Have another take over, and wait until it has; the one before may still see calls to
        their end.
        """
        began = time.monotonic()
        os.kill(self._pid, signal.SIGUSR2)
        wait_for(lambda: self._hears("MAINPID="), f"MAINPID= of {self._name}")
        self._starts.append((time.monotonic() - began, rig.cpu(self._pid)))

    def _hears(self, wanted: str) -> bool:
        if not self._lives():
            sys.exit(f"{self._name} ended: {Path(self._log.name).read_text()[-2000:]}")
        with contextlib.suppress(TimeoutError):
            for line in self._notify.recv(4096).decode().split("\n"):
                if line.startswith(wanted):
                    self._pid = (
                        int(line.removeprefix("MAINPID="))
                        if line.startswith("MAINPID=")
                        else self._pid
                    )
                    return True
        return False

    def _lives(self) -> bool:
        self._process.poll()  # one that was begun here is a zombie else
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def stop(self) -> None:
        """Tell it to end, and wait until it has."""
        began = time.monotonic()
        os.kill(self._pid, signal.SIGTERM)
        wait_for(lambda: not self._lives(), f"the end of {self._name}")
        self._stops.append(time.monotonic() - began)

    def tell(self) -> None:
        ready, used = zip(*self._starts, strict=True)
        print(
            f"{self._name:8} ended after {max(self._stops):.2f} s at most; ready after"
            f" {max(ready):.2f} s at most, {rig.median(list(used)):.2f} s of processor time in the"
            " middle"
        )


def wait_for(condition: Callable[[], bool], what: str, *, quietly: bool = False) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            if quietly:
                return
            sys.exit(f"{what} did not come")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
