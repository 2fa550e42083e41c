"""A slow reader of a whole list: the write-ahead log, read transactions and acknowledgements.

    python bench/stream.py [--events 1000000] [--rows 4000] [--rate 50]

A client streams every event as NDJSON, at most so many rows a second, while events arrive. SQLite
cannot reuse its write-ahead log past a transaction that reads, so a long one lets it grow. The
kernel lists the locks of readers in /proc/locks: a lock that is held at each look in a row counts
as one transaction, which errs on the long side.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import rig
import store_rows
import webhook_sample
from scheduled_load import send

READ_BYTES: Final = 64 * 1024
LOOK_SECONDS: Final = 0.01
ALONE_SECONDS: Final = 20.0
FOR_EVER_SECONDS: Final = 86400.0
#: Bytes of the -shm file that readers lock: https://sqlite.org/walformat.html
MARK_BYTES: Final = range(123, 128)

Acks = dict[str, tuple[float, float]]


@dataclass(slots=True)
class Watch:
    """The largest size of the write-ahead log, and the longest transaction that read."""

    log_bytes: int = 0
    read_seconds: float = 0.0
    held: dict[tuple[str, str], float] = field(default_factory=dict)

    def look(self, data: Path) -> None:
        now = time.monotonic()
        self.log_bytes = max(self.log_bytes, (data / "flowbridge.db-wal").stat().st_size)
        marks = read_marks((data / "flowbridge.db-shm").stat().st_ino)
        self.held = {mark: self.held.get(mark, now) for mark in marks}
        self.read_seconds = max([self.read_seconds, *(now - at for at in self.held.values())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rows", type=float, default=4000.0, help="that are read in a second")
    parser.add_argument("--rate", type=float, default=50.0)
    given = parser.parse_args()
    print(rig.machine())
    with rig.folder() as path, rig.stub(path) as stub_port:
        data = path / "data"
        store_rows.fill_folder(data, given.events)
        port = rig.free_port()
        private = rig.free_port()
        body = webhook_sample.payload()
        config = webhook_sample.routes(f"http://127.0.0.1:{stub_port}/start")
        bind = f"127.0.0.1:{private}"
        with rig.flowbridge(path, config, port, FLOWBRIDGE_PRIVATE_BIND=bind):
            token = rig.make_token(path)
            with watch(data) as alone:
                acks = send(port, body, given.rate, ALONE_SECONDS, "a")
            print_results("alone", alone, acks)
            over = threading.Event()
            with watch(data) as beside, stream(private, token, given.rows, over) as read:
                acks = send(port, body, given.rate, FOR_EVER_SECONDS, "s", over=over)
            print_results("beside a stream", beside, acks)
            rows, seconds = read
            print(f"the stream: {rows} rows in {seconds:.0f} s")


def read_marks(inode: int) -> set[tuple[str, str]]:
    """Return the locks of readers on the file that shares the log: process, and byte."""
    marks = set()
    for line in Path("/proc/locks").read_text().splitlines():
        # such as: 2: POSIX  ADVISORY  READ 24656 fe:00:11174197 124 124
        parts = line.split()
        kind, pid, file, first = parts[-5:-1]
        if kind == "READ" and file.endswith(f":{inode}") and int(first) in MARK_BYTES:
            marks.add((pid, first))
    return marks


@contextlib.contextmanager
def watch(data: Path) -> Iterator[Watch]:
    """Watch a store until the end of the block."""
    over = threading.Event()
    seen = Watch()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            seen.look(data)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield seen
    finally:
        over.set()
        looker.join()


@contextlib.contextmanager
def stream(port: int, token: str, rows: float, over: threading.Event) -> Iterator[list[float]]:
    """Stream all events in another process; `over` is set at the end, which the block awaits.

    The list then has the number of rows and of seconds.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    reader = spawn.Process(target=read_stream, args=(port, token, rows, theirs))
    found: list[float] = []

    def wait() -> None:
        with contextlib.suppress(EOFError):
            found.extend(ours.recv())
        over.set()

    reader.start()
    theirs.close()
    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        yield found
    finally:
        waiter.join()
        reader.join()


def read_stream(port: int, token: str, rows: float, parent: Any) -> None:
    """Read all events, at most so many rows a second; then send their number and the seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
    connection.request("GET", "/admin/v1/events", headers=headers)
    answer = connection.getresponse()
    began = time.monotonic()
    count = 0
    while data := answer.read1(READ_BYTES):
        count += data.count(b"\n")
        time.sleep(max(0.0, began + count / rows - time.monotonic()))
    parent.send((count, time.monotonic() - began))


def print_results(name: str, seen: Watch, acks: Acks) -> None:
    waits = sorted(took * 1000 for _, took in acks.values())
    p50, p99 = (rig.quantile(waits, share) for share in (0.5, 0.99))
    print(
        f"{name:16} log {seen.log_bytes / 2**20:5.1f} MiB at most, reads {seen.read_seconds:.2f} s"
        f" at most; {len(waits)} acknowledgements, p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
