"""The numbers of trends: from the counters of this machine, and from the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bridge.core.trends import Series
from bridge.monitoring.counters import BUCKET_SECONDS, Counts
from bridge.monitoring.metrics import (
    ACK,
    ATTEMPTS,
    DEATHS,
    EVENTS,
    REFUSED,
    RUNS,
    UNVERIFIED,
    Metric,
)

if TYPE_CHECKING:
    from bridge.store.queries.status import WaitingWork

#: The counters that trends follow, by the name of the trend.
COUNTERS: Final[Mapping[str, Metric]] = {
    "events": EVENTS,
    "refused": REFUSED,
    "rejects": UNVERIFIED,
    "attempts": ATTEMPTS,
    "runs": RUNS,
    "deaths": DEATHS,
}
ACK_TREND: Final = "ack"
_ENDS: Final = (*(f"{seconds:g}" for seconds in BUCKET_SECONDS), "inf")


def read_counters(counts: Counts) -> dict[str, Series]:
    """Return the counters of this machine that trends follow, by trend."""
    trends: dict[str, Series] = {name: dict(counts.numbers(of)) for name, of in COUNTERS.items()}
    durations = counts.span(ACK)[:-1]
    trends[ACK_TREND] = {
        (end,): count for end, count in zip(_ENDS, durations, strict=True) if count
    }
    return trends


def read_values(waiting: WaitingWork, now: float) -> dict[str, Series]:
    """Return the values of the store, by trend; without those that are 0."""
    queue = waiting.queue
    return {
        "queued": {
            (lane.route, lane.platform): float(lane.queued) for lane in queue if lane.queued
        },
        "oldest": {
            (lane.route, lane.platform): max(0.0, now - lane.oldest_at)
            for lane in queue
            if lane.queued
        },
        "blocked": {(route,): float(count) for route, count in waiting.blocked.items()},
        "unknown": {(): float(waiting.unknown)} if waiting.unknown else {},
        "in_flight": {
            (platform,): float(calls + runs)
            for platform, (calls, runs) in waiting.slots.items()
            if calls + runs
        },
    }
