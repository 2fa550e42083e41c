"""The log lines of what a turn has changed."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from records import NOW, make_delivery, make_event

from bridge.core.status import RunReport, RunState
from bridge.system import logs
from bridge.worker.turn_changes import TurnChanges, log_changes


@pytest.mark.parametrize(
    ("delivered_at", "finished_at", "seconds"),
    [
        (NOW, NOW + 2.5, 2.5),
        (NOW, NOW - 1.0, 0.0),  # by the clock of the platform
        (None, NOW, None),
        (NOW, None, None),
    ],
)
def test_a_run_that_is_over_has_its_time_from_the_start(
    delivered_at: float | None,
    finished_at: float | None,
    seconds: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "setup", logs.LogSetup(stream=stream))
    delivery = replace(make_delivery(make_event()), delivered_at=delivered_at)
    report = RunReport(state=RunState.DONE, finished_at=finished_at)
    log_changes(TurnChanges(over=[(delivery, report)]))
    [line] = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["state"], line.get("seconds")) == ("run", "done", seconds)
