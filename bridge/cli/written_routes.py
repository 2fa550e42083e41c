"""The routes as routes.yaml has them, with the place of each key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.config.problems import Report
    from bridge.routing.model import Config


def read_routes(config: Config) -> tuple[Report, dict[str, tuple[int, Mapping[str, Any]]]]:
    """Return a report that knows where each key stands, and by the name of a route its index and
    what the file says of it.

    The files have been checked before: no problem of theirs is in the report.
    """
    from bridge.config.files import gather
    from bridge.config.problems import Report

    if not config.files:
        return Report(""), {}
    report = Report(config.files[0])
    data, _ = gather(Path(config.files[0]), report)
    report.problems.clear()
    report.name_routes(data)
    return report, {
        route["name"]: (index, route) for index, route in enumerate(data.get("routes") or [])
    }
