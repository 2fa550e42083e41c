"""Everything that takes part in a torture, while it goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

from bridge.core.errors import StoreError
from bridge.store.db.database import Database
from bridge.store.queries import census
from bridge.torture import fingerprint
from bridge.torture.broker import Broker
from bridge.torture.clock import NodeClock
from bridge.torture.disk import SmallDisk
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.load import LoadGenerator
from bridge.torture.nodes import Node
from bridge.torture.plan import Plan
from bridge.torture.processes import Process
from bridge.torture.records import Finding

T = TypeVar("T")
MAX_DELIVERIES_IN_PROGRESS: Final = 150  # deliveries under way above which nothing new is sent
COUNT_INTERVAL_SECONDS: Final = 1.0  # seconds between looks at how much is under way
POLL_SECONDS: Final = 0.05
RECOVERY_TIMEOUT_SECONDS: Final = 40.0  # seconds in which a bridge has to be ready again


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come, for those who watch. `moving` is null where nobody could look."""

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
    """The bridge, its platform, its senders, and what has been done to it. `recovery_seconds`: seconds
    from a blow to the next 2xx.

    `missed`: kinds that can be done, and were not done once.
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
    code: Mapping[str, Any] = field(
        default_factory=fingerprint.describe_code
    )  # as it is when it begins
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
        """Seconds since it began."""
        return time.monotonic() - self.began

    def remaining(self, of: float) -> float:
        """Return the seconds until `of` seconds will have passed since the beginning."""
        return of - self.elapsed

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.wait_until(lambda: False, seconds)

    def wait_until(
        self, condition: Callable[[], bool], seconds: float, every: float = POLL_SECONDS
    ) -> bool:
        """Wait for a condition, which is looked at again and again; return whether it came true
        within `seconds`.
        """
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

    # -- looking

    def count_in_progress(self) -> int | None:
        """Return how much is under way, None where the store cannot be asked now: it is not opened
        while nobody else has it open.
        """
        if not any(process.pid for node in self.nodes for process in node.processes.values()):
            return None
        return self.query(census.count_moving)

    def list_workers(self) -> set[int]:
        """Return the processes that the store has as workers."""
        return self.query(census.worker_pids) or set()

    def query(self, question: Callable[[Database], T]) -> T | None:
        """Return what the store answers; None where it cannot be asked."""
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
        """Whether every node is."""
        return all(node.is_ready for node in self.nodes)

    def start_nodes(self) -> None:
        """Start what does not run, as a service manager would."""
        if self.broker is not None:
            self.broker.start()
        for node in self.nodes:
            node.start()

    def recover(self, within: float = RECOVERY_TIMEOUT_SECONDS) -> bool:
        """Have everything run and be ready; return whether it came to that. How long it took until
        an event was acknowledged is noted.
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
        """Change the weather on the platform."""
        self.faulty = faulty
        self.platform.send_line(b"faulty" if faulty else b"healthy")

    def start_platform(self) -> None:
        """Start the platform, in the weather of the day."""
        with suppress(OSError):
            self.platform.start(self.platform_settings(self.faulty))
