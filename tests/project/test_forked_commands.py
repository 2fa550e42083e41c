"""Tests of the processes that tests fork (tests/support/forking.py)."""

from __future__ import annotations

import os
import signal

import pytest
from forking import Forked


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_signal_to_a_process_that_has_just_ended_does_nothing(end: str) -> None:
    """A process is gone a moment before its status can be read."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    reads, writes = os.pipe()
    process = Forked(pid, reads)
    getattr(process, end)()
    os.write(writes, str(int(signal.SIGKILL)).encode())
    os.close(writes)
    assert process.wait(10) == -signal.SIGKILL
