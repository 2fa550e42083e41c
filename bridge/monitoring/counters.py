"""The counters of a process for `/metrics`: in memory, written to the data folder once a second.

They are summed over the processes of a machine. Counting never delays an event: it is an addition
in memory, and a full disk loses counts, nothing else. A killed process loses its last second of
counts.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import struct
import threading
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.core.timings import TIMINGS
from bridge.monitoring.metrics import PROCESS_METRICS, Metric

COUNTERS_FOLDER: Final = "counts"
MAX_SERIES: Final = 5000  # of a process; further series are not counted
# seconds; the last one is unbounded
BUCKET_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ENDED_FILE: Final = "gone.json"  # the counts of processes that have ended
NODE_FILE: Final = "node"  # the name of this folder's counters in the store
NODE_CHARS: Final = 16
SLOT_BYTES: Final = 4 * 1024**2  # bytes, two in a sparse file
_HEAD: Final = struct.Struct("<QII")  # the number of the write, the length, the CRC-32

Series = tuple[str, ...]  # the metric's name and the values of its labels
_KINDS: Final = {metric.name: metric for metric in PROCESS_METRICS}


class Counts:
    """Counters, histograms and last times, by series. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._numbers: dict[Series, float] = defaultdict(float)
        self._spans: dict[str, list[float]] = {}
        self._times: dict[Series, float] = {}
        self.changes = 0

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Increment a counter."""
        series = (metric.name, *labels)
        with self._mutex:
            if series in self._numbers or len(self._numbers) < MAX_SERIES:
                self._numbers[series] += by
                self.changes += 1

    def observe(self, metric: Metric, seconds: float) -> None:
        """Add a duration to its bucket of a histogram, and to the sum."""
        with self._mutex:
            span = self._spans.setdefault(metric.name, _no_span())
            span[bisect_left(BUCKET_SECONDS, seconds)] += 1
            span[-1] += seconds
            self.changes += 1

    def mark(self, name: str, *labels: str, at: float) -> None:
        """Record when something happened last."""
        series = (name, *labels)
        with self._mutex:
            known = self._times.get(series)
            if known is None and len(self._times) >= MAX_SERIES:
                return
            if known is None or at > known:
                self._times[series] = at
                self.changes += 1

    def times(self, name: str) -> dict[Series, float]:
        """Return when something happened last, by the values of its labels."""
        with self._mutex:
            return {series[1:]: at for series, at in self._times.items() if series[0] == name}

    def dump(self) -> dict[str, Any]:
        """Return all counts as JSON."""
        with self._mutex:
            numbers = [[*series, number] for series, number in self._numbers.items()]
            return {
                "numbers": numbers,
                "spans": {name: list(span) for name, span in self._spans.items()},
                "times": [[*series, at] for series, at in self._times.items()],
            }

    def merge(self, told: dict[str, Any]) -> None:
        """Add the counts of another process, except metrics that this version does not have."""
        for name, *labels, number in told["numbers"]:
            if name in _KINDS and len(labels) == len(_KINDS[name].labels):
                self.add(_KINDS[name], *labels, by=number)
        for name, *labels, at in told.get("times", ()):  # earlier versions have none
            self.mark(name, *labels, at=at)
        with self._mutex:
            for name, span in told["spans"].items():
                kept = self._spans.setdefault(name, _no_span())
                if len(span) == len(kept):
                    kept[:] = map(sum, zip(kept, span, strict=True))

    def numbers(self, metric: Metric) -> list[tuple[Series, float]]:
        """Return the series of one metric: the values of its labels, and the number."""
        with self._mutex:
            return [
                (series[1:], number)
                for series, number in self._numbers.items()
                if series[0] == metric.name
            ]

    def span(self, metric: Metric) -> list[float]:
        """Return the count of each bucket (the last is unbounded), and at the end the sum."""
        with self._mutex:
            return list(self._spans.get(metric.name, _no_span()))


def _no_span() -> list[float]:
    return [0.0] * (len(BUCKET_SECONDS) + 2)


COUNTS: Final = Counts()  # this process's
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
    found = Counts()
    folder = data / COUNTERS_FOLDER
    with suppress(FileNotFoundError, PermissionError), _locked(folder, fcntl.LOCK_SH):
        gone = _gone(folder)
        for told in (gone, *map(_read, _files(folder, gone))):
            found.merge(told)
    return found


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
    gone = _gone(folder)
    for name in gone["folded"]:
        (folder / name).unlink(missing_ok=True)
    dead = [path for path in _files(folder, gone) if not _lives(path)]
    if not dead:
        return
    left = Counts()
    draft = folder / "gone.new"
    for told in (gone, *map(_read, dead)):
        left.merge(told)
    draft.write_bytes(orjson.dumps({**left.dump(), "folded": [path.name for path in dead]}))
    draft.rename(folder / ENDED_FILE)
    for path in dead:
        path.unlink()


def _gone(folder: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError, orjson.JSONDecodeError):
        found: dict[str, Any] = orjson.loads((folder / ENDED_FILE).read_bytes())
        return found
    return {**_NOTHING, "folded": []}


_NOTHING: Final[dict[str, Any]] = {"numbers": [], "spans": {}}


def _files(folder: Path, gone: dict[str, Any]) -> list[Path]:
    return [path for path in sorted(folder.glob("*.counts")) if path.name not in gone["folded"]]


def _read(path: Path) -> dict[str, Any]:
    """Return the newest complete slot of a process."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        whole = [found for slot in range(2) if (found := _slot(fd, slot * SLOT_BYTES)) is not None]
    finally:
        os.close(fd)
    told: dict[str, Any] = orjson.loads(max(whole)[1]) if whole else _NOTHING
    return told


def _slot(fd: int, at: int) -> tuple[int, bytes] | None:
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    number, length, crc = _HEAD.unpack(head)
    raw = os.pread(fd, length, at + _HEAD.size) if 0 < length <= SLOT_BYTES else b""
    return (number, raw) if raw and zlib.crc32(raw) == crc else None


def _lives(path: Path) -> bool:
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
