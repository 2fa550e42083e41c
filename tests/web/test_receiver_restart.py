"""A receiver that answered for the console restarts once nothing uses it: its memory is freed."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.core.timings import TIMINGS
from bridge.web.late_app import LATE_USE, LateUse, create_late
from bridge.web.server.event_loop.worker import LoopReceiver

LONG_AGO = -2 * TIMINGS.restart_idle_seconds


def used_at(seconds: float, monkeypatch: pytest.MonkeyPatch) -> LateUse:
    """Return the use of a part whose last request ended so many seconds from now."""
    use = LateUse()
    now = time.monotonic()
    with monkeypatch.context() as changed:
        changed.setattr(time, "monotonic", lambda: now + seconds)
        with use.note():
            pass
    return use


def test_a_part_is_idle_after_its_last_request(monkeypatch: pytest.MonkeyPatch) -> None:
    use = LateUse()
    assert use.idle_seconds() is None, "nothing was created yet"
    with use.note():
        with use.note():
            pass
        assert use.idle_seconds() is None, "a request is in progress"
    found = used_at(LONG_AGO, monkeypatch).idle_seconds()
    assert found is not None and found >= -LONG_AGO


def test_no_trial_in_the_background_is_cut_off() -> None:
    # it begins during a request, and has a thread of its own
    assert TIMINGS.restart_idle_seconds > TIMINGS.trial_seconds + TIMINGS.playground_seconds


def test_a_request_that_fails_is_noted_too() -> None:
    use = LateUse()

    def create() -> Any:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        create_late(create, use)({}, None)
    assert use.idle_seconds() is not None


@pytest.mark.parametrize(
    ("seconds", "alive", "ends"),
    [
        (LONG_AGO, True, True),
        (LONG_AGO, False, False),  # it ends already
        (0.0, True, False),  # used a moment ago
        (None, True, False),  # never used
    ],
)
def test_a_receiver_that_is_not_used_for_the_console_ends(
    seconds: float | None, alive: bool, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = LateUse() if seconds is None else used_at(seconds, monkeypatch)
    receiver = LoopReceiver.__new__(LoopReceiver)
    begun: list[bool] = []
    vars(receiver).update(
        wsgi=SimpleNamespace(extensions={LATE_USE: use}),
        alive=alive,
        notify=lambda: None,
        _edge=SimpleNamespace(connections=set()),
        _most=0,
        _begin_end=lambda: begun.append(True),
    )
    receiver._beat()
    assert begun == [True] * ends
