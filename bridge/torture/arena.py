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
from bridge.torture.clock import Clock
from bridge.torture.disk import SmallDisk
from bridge.torture.evidence import Folder
from bridge.torture.load import Load
from bridge.torture.nodes import Node
from bridge.torture.plan import Plan
from bridge.torture.processes import Process
from bridge.torture.records import Finding

T = TypeVar("T")
FULL: Final = 150  # deliveries under way above which nothing new is sent
LOOK: Final = 1.0  # seconds between looks at how much is under way
SLICE: Final = 0.05
RETURN: Final = 40.0  # seconds in which a bridge has to be ready again


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come, for those who watch. `moving` is null where nobody could look."""

    phase: str
    seconds: float
    of: float
    sent: int
    acknowledged: int
    refused: int
    moving: int | None
    doing: str
    kills: int


Tell = Callable[[Progress], None]


@dataclass(slots=True)
class Arena:
    """The bridge, its platform, its senders, and what has been done to it. `again_after`: seconds
    from a blow to the next 2xx.

    `missed`: kinds that can be done, and were not done once.
    """

    plan: Plan
    folder: Folder
    url: str
    nodes: list[Node]
    platform: Process
    platform_words: Callable[[bool], bytes]
    load: Load
    tell: Tell
    random: Random
    code: Mapping[str, Any] = field(default_factory=fingerprint.facts)  # as it is when it begins
    clocks: list[Clock] = field(default_factory=list)
    disk: SmallDisk | None = None
    broker: Broker | None = None
    began: float = field(default_factory=time.monotonic)
    phase: str = "start"
    doing: str = ""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    not_run: dict[str, str] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    again_after: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    bad: bool = True
    _moving: int | None = None
    _looked: float = 0.0

    # -- time

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def left(self, of: float) -> float:
        """Return the seconds until `of` seconds will have passed since the beginning."""
        return of - self.elapsed

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.until(lambda: False, seconds)

    def until(self, condition: Callable[[], bool], seconds: float, every: float = SLICE) -> bool:
        """Wait for a condition, which is looked at again and again; return whether it came true
        within `seconds`.
        """
        end = time.monotonic() + seconds
        while not (true := condition()) and time.monotonic() < end:
            self._show()
            time.sleep(every)
        return true

    def _show(self) -> None:
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._moving = self.moving() if self.disk is None or not self.disk.mounted else None
            self.load.hold_back((self._moving or 0) > FULL)
        self.tell(
            Progress(
                self.phase,
                self.elapsed,
                self.plan.seconds,
                *self.load.count(),
                self._moving,
                self.doing,
                self.kills.total(),
            )
        )

    # -- looking

    def moving(self) -> int | None:
        """Return how much is under way, None where the store cannot be asked now: it is not opened
        while nobody else has it open.
        """
        if not any(process.pid for node in self.nodes for process in node.processes.values()):
            return None
        return self.ask(census.count_moving)

    def workers(self) -> set[int]:
        """Return the processes that the store has as workers."""
        return self.ask(census.worker_pids) or set()

    def ask(self, question: Callable[[Database], T]) -> T | None:
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

    def recover(self, within: float = RETURN) -> bool:
        """Have everything run and be ready; return whether it came to that. How long it took until
        an event was acknowledged is noted.
        """
        began = time.monotonic()
        acknowledged = self.load.count()[1]

        def ready() -> bool:
            self.start_nodes()
            return self.is_ready

        if not self.until(ready, within):
            return False
        if self.phase == "load" and self.until(
            lambda: self.load.count()[1] > acknowledged, min(2.0, within)
        ):
            self.again_after.append(time.monotonic() - began)
        return True

    def forecast(self, bad: bool) -> None:
        """Change the weather on the platform."""
        self.bad = bad
        self.platform.say(b"bad" if bad else b"good")

    def start_platform(self) -> None:
        """Start the platform, in the weather of the day."""
        with suppress(OSError):
            self.platform.start(self.platform_words(self.bad))
