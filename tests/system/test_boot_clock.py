"""Deadlines go by the clock that also counts the time of a suspended machine."""

from __future__ import annotations

import time

import pytest

from bridge.system import boot_clock
from bridge.system.boot_clock import Deadline


class Suspended:
    """The module `time` of a machine that has been suspended: its clocks by their numbers."""

    def __init__(self) -> None:
        self.clocks = {time.CLOCK_MONOTONIC: 100.0, time.CLOCK_BOOTTIME: 100.0}

    def clock_gettime(self, number: int) -> float:
        return self.clocks[number]


def test_a_deadline_passes_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Suspended()
    monkeypatch.setattr(boot_clock, "time", machine)
    deadline = Deadline.after(30.0)
    assert (deadline, deadline.left()) == (Deadline(at=130.0, seconds=30.0), 30.0)
    machine.clocks[time.CLOCK_BOOTTIME] += 40.0
    assert deadline.left() == -10.0
