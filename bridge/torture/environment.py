"""The environment of a crash test: its processes, its load, and its counts.

The tested code is named by its commit and its hash: a version is ambiguous during development.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from bridge.core.errors import StoreError
from bridge.store.db.database import Database
from bridge.store.queries import census
from bridge.torture.broker import Broker
from bridge.torture.clock import NodeClock
from bridge.torture.disk import SmallDisk
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.load import LoadGenerator
from bridge.torture.nodes import Node
from bridge.torture.plan import Plan
from bridge.torture.processes import Process
from bridge.torture.records import Finding

PACKAGE_FOLDER: Final = Path(__file__).resolve().parent.parent


def describe_code(package: Path = PACKAGE_FOLDER) -> dict[str, Any]:
    """Return a package's commit, whether it was changed since, and the hash of its files.

    Outside of a git checkout, the first two are None.
    """
    commit = (
        _run_git(package, "rev-parse", "HEAD")
        if _run_git(package, "ls-files", "__init__.py")
        else None
    )
    changed = (
        None if commit is None else bool(_run_git(package, "status", "--porcelain", "--", "."))
    )
    return {"commit": commit, "changed": changed, "sha256": hash_package(package)}


def hash_package(package: Path) -> str:
    """Return the SHA-256 of the output of sha256sum for all files, sorted by name.

    Python's compiled files are excluded.
    """
    files = sorted(
        (
            file
            for file in package.rglob("*")
            if file.is_file() and file.parent.name != "__pycache__"
        ),
        key=bytes,
    )
    lines = (
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  ./{file.relative_to(package)}\n"
        for file in files
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _run_git(folder: Path, *command: str) -> str | None:
    """Return the output of git, or None without git or a checkout."""
    with suppress(OSError, subprocess.SubprocessError):
        arguments = ["git", "-C", str(folder), *command]
        return subprocess.run(  # noqa: S603 - a fixed command, no shell
            arguments, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    return None


T = TypeVar("T")
MAX_DELIVERIES_IN_PROGRESS: Final = 150  # above it, the senders pause
COUNT_INTERVAL_SECONDS: Final = 1.0  # between two counts of the deliveries in progress
POLL_SECONDS: Final = 0.05
RECOVERY_TIMEOUT_SECONDS: Final = 40.0  # until flowbridge must be ready again


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. `in_progress` is None while the store cannot be read."""

    phase: str
    seconds: float
    of: float
    sent: int
    acknowledged: int
    refused: int
    in_progress: int | None
    current_fault: str
    kills: int


ReportProgress = Callable[[Progress], None]


@dataclass(slots=True)
class Environment:
    """The nodes, the platform and the senders, with the faults so far and the findings.

    `kills`: signal and victim -> count. `done`: kind of fault -> count.
    `not_run`: kind -> the reason why it did not occur; `missed`: those that were possible.
    `recovery_seconds`: seconds from each fault to the next acknowledged event.
    """

    plan: Plan
    folder: EvidenceFolder
    url: str
    nodes: list[Node]
    platform: Process
    platform_settings: Callable[[bool], bytes]
    load: LoadGenerator
    report_progress: ReportProgress
    random: Random
    code: Mapping[str, Any] = field(default_factory=describe_code)
    clocks: list[NodeClock] = field(default_factory=list)
    disk: SmallDisk | None = None
    broker: Broker | None = None
    began: float = field(default_factory=time.monotonic)
    phase: str = "start"
    current_fault: str = ""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    not_run: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    recovery_seconds: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faulty: bool = True
    _in_progress: int | None = None
    _counted_at: float = 0.0

    # -- time

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning of the run."""
        return time.monotonic() - self.began

    def remaining(self, total: float) -> float:
        """Return the seconds until `total` seconds have elapsed."""
        return total - self.elapsed

    def wait(self, seconds: float) -> None:
        """Wait, and report the progress meanwhile."""
        self.wait_until(lambda: False, seconds)

    def wait_until(
        self, condition: Callable[[], bool], seconds: float, every: float = POLL_SECONDS
    ) -> bool:
        """Poll a condition; return whether it became true within `seconds`."""
        end = time.monotonic() + seconds
        while not (true := condition()) and time.monotonic() < end:
            self._report()
            time.sleep(every)
        return true

    def _report(self) -> None:
        if time.monotonic() - self._counted_at > COUNT_INTERVAL_SECONDS:
            self._counted_at = time.monotonic()
            self._in_progress = (
                self.count_in_progress() if self.disk is None or not self.disk.mounted else None
            )
            self.load.set_paused((self._in_progress or 0) > MAX_DELIVERIES_IN_PROGRESS)
        self.report_progress(
            Progress(
                self.phase,
                self.elapsed,
                self.plan.total_seconds,
                *self.load.count(),
                self._in_progress,
                self.current_fault,
                self.kills.total(),
            )
        )

    # -- the store

    def count_in_progress(self) -> int | None:
        """Return the number of deliveries in progress, or None if the store cannot be read.

        The store is not opened while no flowbridge process runs.
        """
        if not any(process.pid for node in self.nodes for process in node.processes.values()):
            return None
        return self.query(census.count_moving)

    def list_workers(self) -> set[int]:
        """Return the process ids of the workers in the store."""
        return self.query(census.worker_pids) or set()

    def query(self, question: Callable[[Database], T]) -> T | None:
        """Return the result of a query, or None if the store cannot be read."""
        database = Database(self.url)
        try:
            return question(database)
        except StoreError:
            return None
        finally:
            database.close()

    # -- the bridge

    @property
    def is_ready(self) -> bool:
        """Whether every node is ready."""
        return all(node.is_ready for node in self.nodes)

    def start_nodes(self) -> None:
        """Start every process that does not run, as a service manager would."""
        if self.broker is not None:
            self.broker.start()
        for node in self.nodes:
            node.start()

    def recover(self, within: float = RECOVERY_TIMEOUT_SECONDS) -> bool:
        """Start all nodes and wait until they are ready; return whether they became ready.

        During the load, record the seconds until the next event is acknowledged.
        """
        began = time.monotonic()
        acknowledged = self.load.count()[1]

        def ready() -> bool:
            self.start_nodes()
            return self.is_ready

        if not self.wait_until(ready, within):
            return False
        if self.phase == "load" and self.wait_until(
            lambda: self.load.count()[1] > acknowledged, min(2.0, within)
        ):
            self.recovery_seconds.append(time.monotonic() - began)
        return True

    def set_platform_faults(self, faulty: bool) -> None:
        """Switch the faults of the platform on or off."""
        self.faulty = faulty
        self.platform.send_line(b"faulty" if faulty else b"healthy")

    def start_platform(self) -> None:
        """Start the platform with its current settings."""
        with suppress(OSError):
            self.platform.start(self.platform_settings(self.faulty))
