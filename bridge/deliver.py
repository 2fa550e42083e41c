"""Make one attempt, or look at one run: build the call, send it, read the answer. Pure: `send` is an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bridge.model import Answer, Call, Delivery, Kind, Lost, Outcome, RunReport
from bridge.platforms import PLATFORMS
from bridge.routes import Platform

Send = Callable[[Call, float], Answer | Lost]


def deliver(delivery: Delivery, platform: Platform, send: Send, now: float) -> Outcome:
    """Start the delivery's flow and return what came of it. A call without an answer is `unknown` unless it certainly never left."""
    kind = PLATFORMS[platform.type]
    answer = send(kind.build_start(platform, delivery), platform.timeout)
    if isinstance(answer, Lost):
        return Outcome(kind=Kind.UNKNOWN if answer.sent else Kind.REFUSED, detail=answer.reason)
    outcome = kind.read_start(answer, now)
    return replace(outcome, status_code=answer.status)


def look(delivery: Delivery, platform: Platform, send: Send) -> RunReport:
    """Ask how the delivery's run stands; a platform that cannot tell now gives a report without a state."""
    kind = PLATFORMS[platform.type]
    if kind.build_run is None or kind.read_run is None or delivery.run_id is None:
        return RunReport(state=None, detail="this platform has no runs")
    answer = send(kind.build_run(platform, delivery.run_id), platform.timeout)
    return RunReport(state=None, detail=answer.reason) if isinstance(answer, Lost) else kind.read_run(answer)
