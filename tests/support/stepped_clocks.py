"""The clocks of a machine, as tests set them: the wall clock is stepped, the machine is suspended,
or booted again as another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bridge.core.clock_reading import ClockReading
from bridge.store.db import clock
from bridge.store.db.database import Database
from bridge.system import boot_clock

DAY = 86400.0


class Clocks:
    """Takes the place of `time` in the modules of the clocks, and of the clock of a PostgreSQL
    server's host.

    `ahead`: seconds by which the wall clock is wrong; `later`: seconds by which all clocks went on
    without anybody waiting for it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        self.later = 0.0
        self.boot_id = "boot-1"
        self.host = "here"
        self.boots_at = 0.0
        difference = clock._measure_difference

        def stepped(database: Database, mine: Callable[[], float]) -> float:
            return difference(database, mine) + self.ahead + self.later

        for module in (boot_clock, clock):
            monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(clock, "_measure_difference", stepped)
        monkeypatch.setattr(
            clock,
            "machine_reading",
            lambda: ClockReading(at=0.0, boot_id=self.boot_id, host=self.host),
        )

    def time(self) -> float:
        return time.time() + self.ahead + self.later

    def clock_gettime(self, number: int) -> float:
        return time.clock_gettime(number) + self.later - self.boots_at

    def boot(self, boot_id: str = "boot-2", host: str = "here") -> None:
        """From now on this is another boot, or another machine, whose boot clock shows something
        else.
        """
        self.boot_id, self.host, self.boots_at = boot_id, host, self.boots_at + 500.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clocks of the machine that the test sets."""
    return Clocks(monkeypatch)
