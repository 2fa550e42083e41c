"""What YAML reads otherwise than people mean: comments that eat texts, values that are not
there.
"""

from __future__ import annotations

from typing import Any

from bridge.config.problems import Path, Report


def find_traps(data: Any, report: Report) -> None:
    """Note values under `routes` whose `${…}` is followed by a comment that looks like its rest,
    and those that are empty.
    """
    for path, place in list(report.places.items()):
        if path[:1] != ("routes",) or len(path) < 3:
            continue
        if place.cut:
            report.settle(
                path, f"the text ends where # begins a comment, found {_read(data, path)}; quote it"
            )
        elif place.empty and path[2] in ("inputs", "match", "when"):
            report.settle(
                path,
                "a value is missing: if its text begins with #, quote it; else leave the key out or"
                " write null",
            )


def _read(data: Any, path: Path) -> str:
    for step in path:
        data = data[step]
    return str(data)[:60]
