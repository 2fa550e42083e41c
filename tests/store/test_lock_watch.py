"""Tests of a process that is stopped while it holds SQLite's commit lock: others kill it, no event
is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from records import make_event
from serving import Bridge, is_alive, until

from bridge.store.db import lock_watch
from bridge.store.db.database import Database, file_lock
from bridge.store.inbound import events

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(sqlite: Database, new_processes: None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that holds the lock and does nothing."""
    path = sqlite.path.with_name(f"{sqlite.path.name}.lock")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait(60)
    process.stdin.close()
    process.stdout.close()


def lock_file(database: Database) -> Path:
    return database.path.with_name(f"{database.path.name}.lock")


def test_who_holds_the_lock_is_known(sqlite: Database, holder: subprocess.Popen[bytes]) -> None:
    assert lock_watch.find_holder(lock_file(sqlite)) == holder.pid
    holder.kill()
    holder.wait(60)
    assert lock_watch.find_holder(lock_file(sqlite)) is None
    with file_lock(sqlite.path, "lock"):
        assert lock_watch.find_holder(lock_file(sqlite)) is None, (
            "this process is never killed by itself"
        )
        assert lock_watch.is_long_hold(lock_file(sqlite))
    assert not lock_watch.is_long_hold(lock_file(sqlite))


@pytest.mark.timings(lock_watch_seconds=0.02)
def test_a_stopped_holder_is_killed_by_one_that_waits(
    sqlite: Database, holder: subprocess.Popen[bytes]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    event = make_event("1")
    assert events.add(sqlite, event, [], lambda *_: []).event_id == event.id
    assert holder.wait(60) == -signal.SIGKILL


@pytest.mark.timings(lock_watch_seconds=0.01)
def test_one_that_does_long_work_is_not_killed(
    sqlite: Database, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    asked = []

    def is_long(path: Path) -> bool:
        asked.append(path)
        if len(asked) > 3:
            looked.set()
        return real(path)

    real = lock_watch.is_long_hold
    monkeypatch.setattr(lock_watch, "is_long_hold", is_long)
    with lock_watch.mark_long_hold(lock_file(sqlite)):
        writer = threading.Thread(
            target=lambda: events.add(sqlite, make_event("1"), [], lambda *_: [])
        )
        writer.start()
        assert looked.wait(60)
        assert holder.poll() is None
        assert holder.stdin is not None
        holder.stdin.close()  # it ends by itself
        writer.join(60)
    assert holder.wait(60) == 0


@pytest.mark.usefixtures("new_processes")
def test_a_receiver_that_is_stopped_with_the_lock_loses_no_acknowledged_event(
    tmp_path: Path,
) -> None:
    """A real SIGSTOP, during a commit, under load."""
    over = threading.Event()
    acked = list[str]()
    lock = threading.Lock()
    with Bridge(tmp_path) as bridge:
        path = lock_file(bridge.database)

        def post() -> None:
            while not over.is_set():
                with suppress(OSError):
                    answer = bridge.event()
                    if answer.status == 202:
                        with lock:
                            acked.append(answer.json["event_id"])

        senders = [threading.Thread(target=post) for _ in range(6)]
        for sender in senders:
            sender.start()
        try:
            stopped = until(lambda: stop_holder(path), what="a process that holds the lock")
            until(lambda: not is_alive(stopped), what="its end")
            until(
                lambda: any(
                    line["event"] == "lock_holder_killed" and line["pid"] == stopped
                    for line in bridge.log
                ),
                what="the line",
            )
            before = len(acked)
            until(lambda: len(acked) > before + 20, what="more acknowledgements")
        finally:
            over.set()
            for sender in senders:
                sender.join(120)
        with bridge.database.read() as connection:
            kept = {row[0] for row in connection.exec_driver_sql("SELECT id FROM event")}
        assert set(acked) <= kept
        assert len(acked) == len(set(acked))


def stop_holder(path: Path) -> int | None:
    """Stop the process that holds the lock; return None if it released the lock before."""
    for _ in range(500):
        holder = lock_watch.find_holder(path)
        if holder is None:
            continue
        with suppress(ProcessLookupError):
            os.kill(holder, signal.SIGSTOP)
            if (
                lock_watch.find_holder(path) == holder
                and is_stopped(holder)
                and lock_watch.find_holder(path) == holder
            ):
                return holder
            os.kill(holder, signal.SIGCONT)
    return None


def is_stopped(pid: int) -> bool:
    with suppress(OSError):
        return until(
            lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        )
    return False
