"""The supervisor: what it waits for, and a machine without room for another process."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Any, NoReturn

import pytest

from bridge.runtime import supervisor as supervisor_module
from bridge.runtime.supervisor import RESTART_BACKOFF_SECONDS, Child, Supervisor
from bridge.system.wakeup import Wake


def test_a_process_that_cannot_start_is_tried_again_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> NoReturn:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    child = Child("work", lambda: None)
    unused: Any = None
    supervisor = Supervisor([child], unused)
    waits = []
    for _ in range(3):
        before = time.monotonic()
        supervisor._start(child)
        assert child.pid == 0
        assert child.restart_at is not None
        waits.append(child.restart_at - before)
    assert waits == pytest.approx(RESTART_BACKOFF_SECONDS[1:4], abs=0.1)


class RestingPart:
    """A reloader or watchdog that has nothing to do for an hour."""

    seconds_to_wait = 3600.0

    def __init__(self) -> None:
        self.wake = Wake()

    def poll_if_due(self) -> None:
        """Do nothing."""

    def poll(self, *, all_alive: bool) -> None:
        """Do nothing."""

    def hand_over(self, _pid: int) -> bool:
        """Refuse."""
        return False

    def notify_stopping(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_at_rest_it_waits_for_what_is_due_first(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def note(_descriptors: object, seconds: float) -> list[int]:
        waits.append(seconds)
        return []

    monkeypatch.setattr(supervisor_module, "wait_readable", note)
    resting: Any = RestingPart()
    child = Child("work", lambda: None, restart_at=None)
    supervisor = Supervisor([child], resting, resting)
    supervisor._wait()
    child.restart_at = time.monotonic() + 100
    supervisor._wait()
    resting.seconds_to_wait = 10.0
    supervisor._wait()
    assert waits == pytest.approx([3600, 100, 10], abs=5)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("new_processes")
def test_a_signal_and_the_end_of_a_process_end_its_wait() -> None:
    reads, writes = os.pipe()

    def work() -> None:
        os.write(writes, b"%8d" % os.getpid())
        signal.pause()

    resting: Any = RestingPart()
    process = os.fork()
    if process == 0:
        os._exit(Supervisor([Child("work", work)], resting, resting).run())
    first = int(os.read(reads, 8))
    os.kill(first, signal.SIGKILL)
    assert int(os.read(reads, 8)) != first
    os.kill(process, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(reads)
    os.close(writes)
