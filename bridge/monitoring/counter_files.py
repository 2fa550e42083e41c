"""The files of the counters: each process writes its own to the data folder once a second.

They are summed over the processes of a machine. A full disk loses counts, nothing else; a killed
process loses its last second of counts.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.core.timings import TIMINGS
from bridge.monitoring.counters import COUNTS, Counts
from bridge.system.fsync import sync_path

COUNTERS_FOLDER: Final = "counts"
ENDED_FILE: Final = "gone.json"  # the counts of processes that have ended
NODE_FILE: Final = "node"  # the name of this folder's counters in the store
NODE_CHARS: Final = 16
SLOT_BYTES: Final = 4 * 1024**2  # bytes, two in a sparse file
_HEAD: Final = struct.Struct("<QII")  # the number of the write, the length, the CRC-32
_NOTHING: Final[dict[str, Any]] = {"numbers": [], "spans": {}}

# by process id: a forked process has the parent's entry too
_begun: dict[int, CountsFile] = {}


def start_counters(data: Path, interval: float = TIMINGS.counter_write_seconds) -> None:
    """Write the counters of this process to the data folder every `interval` seconds.

    Call it after the fork. It never fails.
    """
    if os.getpid() in _begun:
        return
    file = _begun[os.getpid()] = CountsFile(data, COUNTS)
    threading.Thread(
        target=file.write_repeatedly, args=(interval,), name="counts", daemon=True
    ).start()
    atexit.register(write_counters)


def write_counters() -> None:
    """Write the last counts, before the process ends."""
    if file := _begun.get(os.getpid()):
        file.write()


class CountsFile:
    """The file of one process's counts, locked while the process lives.

    It writes two slots in turn, so that one stays complete if the process is killed, or the disk
    full, during a write.
    """

    def __init__(self, data: Path, counts: Counts) -> None:
        self._folder = data / COUNTERS_FOLDER
        self._counts = counts
        self._fd = -1
        self._number = 0
        self._written = 0
        self._mutex = threading.Lock()

    def write_repeatedly(self, interval: float) -> None:
        """Write the counts every `interval` seconds until the process ends."""
        pause = threading.Event()
        while not pause.wait(interval):
            self.write()

    def write(self) -> None:
        """Write the counts if they have changed. A failure is retried the next time."""
        with self._mutex, suppress(OSError):
            changes = self._counts.changes
            if changes == self._written:
                return
            if self._fd < 0:
                self._open()
            number = self._number + 1
            raw = orjson.dumps(self._counts.dump())
            framed = _HEAD.pack(number, len(raw), zlib.crc32(raw)) + raw
            if len(framed) <= SLOT_BYTES and os.pwrite(
                self._fd, framed, number % 2 * SLOT_BYTES
            ) == len(framed):
                self._number = number
                self._written = changes

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder, fcntl.LOCK_EX):
            with suppress(OSError):
                _fold(self._folder)
            path = self._folder / f"{os.getpid()}-{os.urandom(4).hex()}.counts"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._fd = fd


def sum_counters(data: Path) -> Counts:
    """Return the sum over all processes of this data folder, ended ones too. It never decreases."""
    total = Counts()
    folder = data / COUNTERS_FOLDER
    with suppress(FileNotFoundError, PermissionError), _locked(folder, fcntl.LOCK_SH):
        ended = _read_ended(folder)
        for counts in (ended, *map(_read, _files(folder, ended))):
            total.merge(counts)
    return total


def claim_node(data: Path) -> tuple[str, int] | None:
    """Return the name of the data folder's counters and a locked file; None if another process has
    the lock.

    The name is made at random once. The lock lasts until the file is closed or the process ends.
    """
    folder = data / COUNTERS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / NODE_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        name = os.pread(fd, NODE_CHARS, 0).decode("ascii", "replace")
        if len(name) < NODE_CHARS:
            name = os.urandom(NODE_CHARS // 2).hex()
            os.pwrite(fd, name.encode(), 0)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return name, fd


def _fold(folder: Path) -> None:
    """Fold the counts of ended processes into one file, so that files do not pile up.

    The same file lists what it has folded, so that nothing is added twice if this ends before the
    other files are deleted.
    """
    ended = _read_ended(folder)
    for name in ended["folded"]:
        (folder / name).unlink(missing_ok=True)
    dead = [path for path in _files(folder, ended) if not _lives(path)]
    if not dead:
        return
    left = Counts()
    draft = folder / "gone.new"
    for counts in (ended, *map(_read, dead)):
        left.merge(counts)
    draft.write_bytes(orjson.dumps({**left.dump(), "folded": [path.name for path in dead]}))
    sync_path(draft)
    draft.rename(folder / ENDED_FILE)
    sync_path(folder)
    for path in dead:
        path.unlink()


def _read_ended(folder: Path) -> dict[str, Any]:
    """Return the counts of ended processes; `folded` has the names of the files they are from."""
    with suppress(FileNotFoundError, orjson.JSONDecodeError):
        ended: dict[str, Any] = orjson.loads((folder / ENDED_FILE).read_bytes())
        return ended
    return {**_NOTHING, "folded": []}


def _files(folder: Path, ended: dict[str, Any]) -> list[Path]:
    """Return the files of processes that `ended` does not have yet."""
    return [path for path in sorted(folder.glob("*.counts")) if path.name not in ended["folded"]]


def _read(path: Path) -> dict[str, Any]:
    """Return the newest complete slot of a process."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        whole = [
            snapshot for slot in range(2) if (snapshot := _slot(fd, slot * SLOT_BYTES)) is not None
        ]
    finally:
        os.close(fd)
    counts: dict[str, Any] = orjson.loads(max(whole)[1]) if whole else _NOTHING
    return counts


def _slot(fd: int, at: int) -> tuple[int, bytes] | None:
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    number, length, crc = _HEAD.unpack(head)
    raw = os.pread(fd, length, at + _HEAD.size) if 0 < length <= SLOT_BYTES else b""
    return (number, raw) if raw and zlib.crc32(raw) == crc else None


def _lives(path: Path) -> bool:
    """Return whether the process of a file holds its lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Lock the folder itself, which needs no disk space."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)
