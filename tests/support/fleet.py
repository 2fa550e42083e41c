"""Runs worker processes and counts what they start, and offers a way to PostgreSQL that loses
connections, or a COMMIT.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from forking import Forked, parent
from processes import environment
from records import make_delivery, make_event
from servers import FakePlatform
from sqlalchemy import make_url
from worker_bench import FAST

from bridge.store.db.database import Database
from bridge.store.inbound import events

WORKER = """
import signal
import pytest
from fleet import configuration
from quick_polling import poll_quickly
from worker_bench import made
from bridge.core.timings import Timings
from bridge.store.db.database import Database
poll_quickly(pytest.MonkeyPatch())
timings = Timings(lease_seconds={lease}, heartbeat_seconds={lease} / 5)
worker = made(Database({url!r}, timings=timings), configuration({base!r}, {given!r}))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: worker.stop())
worker.run()
"""


def configuration(base: str, given: dict[str, Any]) -> Any:
    """The configuration of a worker: a fake platform with `cap`, and routes with `limits`."""
    from worker_bench import configured, gumloop

    from bridge.core.rate_limits import Limits, Rate
    from bridge.routing.model import Route

    routes = [
        Route(
            name=name,
            source="x",
            flow=None,
            reshape=lambda _: {},  # type: ignore[arg-type]
            limits=Limits(
                **{
                    key: Rate(count=value[0], per=value[1]) if key == "rate" else value
                    for key, value in limits.items()
                }
            ),
        )
        for name, limits in given.get("limits", {}).items()
    ]
    return configured(gumloop(url=base, max_concurrent_runs=given["cap"]), routes=tuple(routes))


@contextmanager
def worker_processes(
    count: int, folder: Path, url: str, base: str, lease: float = 15.0, **given: Any
) -> Iterator[list[Forked]]:
    """Run so many workers on a database, each a process of its own; what they say goes into files
    of the folder.
    """
    program = WORKER.format(url=url, base=base, given=given, lease=lease)
    processes = []
    try:
        for number in range(count):
            with (folder / f"worker-{number}").open("wb") as said:
                processes.append(parent().execute(program, environment(), folder, said.fileno()))
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


# what commits: COMMIT, or the statement of new events, which is a transaction by itself
COMMITS = (b"COMMIT\0", b'"body_sha256"')
COMMITTED = (b"COMMIT\0", b"SELECT 1\0")  # their answers


class Line:
    """A way to PostgreSQL that can be disturbed: a Unix socket, passed on to that of the server.

    `lose_commits`: so many of the next commits reach the server, and the connection ends before
    their answer; `committed` counts those that the server carried out. `cut`: no connection gets
    through.
    """

    def __init__(self, url: str, folder: Path) -> None:
        known = make_url(url)
        self._server = f"{known.query['host']}/.s.PGSQL.5432"
        self.url = known.set(query={"host": str(folder)}).render_as_string(hide_password=False)
        self.lose_commits = 0
        self.lost = 0
        self.committed = 0
        self.cut = False
        self._ends: set[socket.socket] = set()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{folder}/.s.PGSQL.5432")
        self._listening.listen(64)

    def __enter__(self) -> Line:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()
        self._listening.close()

    def end_all(self) -> None:
        """End every connection."""
        for one in list(self._ends):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listening.accept()
            except OSError:
                return
            theirs = socket.socket(socket.AF_UNIX)
            try:
                if self.cut:
                    raise ConnectionRefusedError
                theirs.connect(self._server)
            except OSError:
                ours.close()
                theirs.close()
                continue
            self._ends |= {ours, theirs}
            lost = threading.Event()
            threading.Thread(
                target=self._pass_on, args=(ours, theirs, lost, True), daemon=True
            ).start()
            threading.Thread(
                target=self._pass_on, args=(theirs, ours, lost, False), daemon=True
            ).start()

    def _pass_on(
        self, one: socket.socket, other: socket.socket, lost: threading.Event, up: bool
    ) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if up and self.lose_commits and any(one in data for one in COMMITS):
                    self.lose_commits -= 1
                    self.lost += 1
                    lost.set()
                # the server has answered: it is committed, and nobody will know
                if not up and lost.is_set():
                    self.committed += any(one in data for one in COMMITTED)
                    break
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if up:
            return
        for each in (one, other):
            self._ends.discard(each)
            each.close()


def starts(fake: FakePlatform) -> Counter[str]:
    """How often each delivery was started, by its input `id`."""
    return Counter(start.json["id"] for start in fake.accepted)


def add_named(database: Database, count: int, route: str) -> list[str]:
    """Deliveries whose input `id` says which they are."""
    ids = []
    for _ in range(count):
        now = time.time()
        event = make_event(None, now=now)
        delivery = make_delivery(
            event,
            route,
            now=now,
            platform="gumloop",
            flow="triage",
            saved_item_id="q3da",
            retry=FAST,
        )
        delivery = make_delivery(
            event,
            route,
            now=now,
            platform="gumloop",
            flow="triage",
            saved_item_id="q3da",
            retry=FAST,
            inputs={"id": delivery.id, "route": route},
        )
        events.add(database, event, [delivery], lambda *_: [])
        ids.append(delivery.id)
    return ids
