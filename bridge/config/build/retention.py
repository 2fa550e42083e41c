"""Build `retention` of a source or of the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.problems import Path, Report
from bridge.core.retention import DAY, Retention


def build_retention(
    said: Mapping[str, float], otherwise: Retention, path: Path, report: Report
) -> Retention:
    """Return the retention periods: those of `said`, else those of `otherwise`.

    Bodies and runs cannot be stored longer than their events.
    """
    events = said.get("events", otherwise.events)
    longest = f"{events / DAY:g}d"
    for name in ("bodies", "runs"):
        if said.get(name, 0.0) > events:
            report.add(
                path,
                f"`{name}` cannot be stored longer than their events ({longest}); allowed: at most"
                f" {longest}",
            )
    return Retention(
        events=events,
        bodies=said.get("bodies", min(otherwise.bodies, events)),
        rejects=said.get("rejects", otherwise.rejects),
        runs=said.get("runs", min(otherwise.runs, events)),
    )
