"""The lag of an event loop is what a sample is late, besides the commits that delayed it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import COMMIT, LOOP_LAG
from bridge.web.server.event_loop import loop_edge
from bridge.web.server.event_loop.loop_edge import SAMPLE_SECONDS, LagObserver


class Loop:
    """Calls nothing by itself."""

    def call_later(self, _seconds: float, act: Any) -> None:
        self.act = act


@pytest.mark.parametrize(
    ("ended_at", "seconds", "lag"),
    [
        (0.10, 0.05, 0.03),  # before the sample was due: it delayed others only
        (SAMPLE_SECONDS + 0.02, 0.05, 0.01),  # begun before the sample was due
        (SAMPLE_SECONDS + 0.02, 0.01, 0.02),  # after the sample was due
        (SAMPLE_SECONDS + 0.03, SAMPLE_SECONDS + 0.03, 0.0),
    ],
)
def test_commits_that_delay_a_sample_are_no_lag(
    ended_at: float, seconds: float, lag: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    observed: list[tuple[Any, float]] = []
    monkeypatch.setattr(loop_edge, "monotonic", lambda: now[0])
    monkeypatch.setattr(COUNTS, "observe", lambda *each: observed.append(each))
    loop = Loop()
    observer = LagObserver(loop)  # type: ignore[arg-type]  # a stand-in
    observer.begin()
    now[0] = ended_at
    observer.observe_commit(seconds, on_loop=True)
    observer.observe_commit(1.0, on_loop=False)
    now[0] = SAMPLE_SECONDS + 0.03
    loop.act()
    assert observed[:2] == [(COMMIT, seconds), (COMMIT, 1.0)]
    [(name, found)] = observed[2:]
    assert name is LOOP_LAG
    assert found == pytest.approx(lag)
