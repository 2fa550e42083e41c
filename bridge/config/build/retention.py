"""Build `retention` of a source or of the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.problems import Path, Report
from bridge.core.retention import Retention
from bridge.core.units import DAY


def build_retention(
    periods: Mapping[str, float], default: Retention, path: Path, report: Report
) -> Retention:
    """Return the retention periods: those of `periods`, else those of `default`.

    Bodies and runs cannot be stored longer than their events.
    """
    events = periods.get("events", default.events)
    longest = f"{events / DAY:g}d"
    for name in ("bodies", "runs"):
        if periods.get(name, 0.0) > events:
            report.add(
                path,
                f"`{name}` cannot be stored longer than their events ({longest}); allowed: at most"
                f" {longest}",
            )
    return Retention(
        events=events,
        bodies=periods.get("bodies", min(default.bodies, events)),
        rejects=periods.get("rejects", default.rejects),
        runs=periods.get("runs", min(default.runs, events)),
    )
