"""The supervisor where the machine has no room for another process."""

from __future__ import annotations

import errno
import os
import time
from typing import Any, NoReturn

import pytest

from bridge.runtime.supervisor import RESTART_BACKOFF_SECONDS, Child, Supervisor


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
