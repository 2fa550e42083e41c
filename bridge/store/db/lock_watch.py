"""Detect and kill a process that holds SQLite's commit lock but makes no progress.

Such a process was stopped, or writes to a disk that does not respond, and every commit of every
process waits for it. Killing it is safe: an event is acknowledged after its commit, and SQLite
rolls back an unfinished transaction. Work that may hold the lock for long (a migration, VACUUM)
marks it with a second lock file.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bridge.system.logs import get_logger

log = get_logger()

# Checks that find the same holder during one wait before it is killed. They are counted, because
# a clock jumps after a pause.
MAX_CHECKS: Final = 9
PROC_LOCKS: Final = Path("/proc/locks")


class LockWatch:
    """Watches this process's waits for the lock file at `path`, in a thread that the first wait
    starts.

    `interval`: seconds between two checks.
    """

    def __init__(self, path: Path, interval: float) -> None:
        self._path = path
        self._interval = interval
        self._since: float | None = None  # when the current wait began
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch_wait(self) -> Iterator[None]:
        """Watch the lock during this wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lock-watch", daemon=True)
            self._thread.start()
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        """Stop the thread."""
        self._over.set()

    def _run(self) -> None:
        # the wait, and the holder found by all checks so far
        seen: tuple[float | None, int | None] = (None, None)
        looks = 0
        while not self._over.wait(self._interval):
            since = self._since
            holder = None if since is None else find_holder(self._path)
            looks = looks + 1 if seen == (since, holder) else 0
            seen = since, holder
            if holder is not None and looks >= MAX_CHECKS and not is_long_hold(self._path):
                _kill(self._path, holder, MAX_CHECKS * self._interval)
                looks = 0


def find_holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock on a file.

    None if no process does, the kernel does not report it, or it is this process.
    """
    with suppress(OSError, ValueError, IndexError):
        file = path.stat()
        name = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        for line in PROC_LOCKS.read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5] == name:  # lines with -> are waiting processes
                pid = int(words[4])
                return pid if pid > 0 and pid != os.getpid() else None
    return None


def long_hold_path(path: Path) -> Path:
    """Return the lock file that marks the lock at `path` as held for long work."""
    return path.with_name(f"{path.name}.long")


@contextmanager
def mark_long_hold(path: Path) -> Iterator[None]:
    """Mark the lock at `path` as held for long work, until the work ends."""
    fd = os.open(long_hold_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def is_long_hold(path: Path) -> bool:
    """Return whether the lock is held for work that may take long."""
    try:
        fd = os.open(long_hold_path(path), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _kill(path: Path, holder: int, seconds: float) -> None:
    """Kill a process that has held the lock for too long."""
    try:
        process = os.pidfd_open(holder)
        try:
            # otherwise it has released the lock, or its pid was reused
            if find_holder(path) == holder:
                log.error("lock_holder_killed", pid=holder, held_seconds=seconds)
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)
    except OSError as error:
        log.error("lock_holder_not_killed", pid=holder, error=str(error))
