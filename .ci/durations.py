"""Print how long tests took, by folder, and the slowest.

.ci/durations.py FILE…     (from pytest --junitxml)
"""

from __future__ import annotations

import sys
from collections import defaultdict
from xml.etree import ElementTree

SLOWEST = 30


def read_durations(path: str) -> list[tuple[str, str, float]]:
    """Return folder, name and seconds of each test in a file."""
    rows = []
    for case in ElementTree.parse(path).iter("testcase"):
        module = case.attrib["classname"]
        folder = "/".join(module.split(".")[:2])
        rows.append((folder, f"{module}::{case.attrib['name']}", float(case.attrib["time"])))
    return rows


def main() -> None:
    """Print the tables."""
    rows = [row for path in sys.argv[1:] for row in read_durations(path)]
    folders: dict[str, list[float]] = defaultdict(list)
    for folder, _, seconds in rows:
        folders[folder].append(seconds)
    for folder, times in sorted(folders.items(), key=lambda pair: -sum(pair[1])):
        print(f"{sum(times):8.1f} s  {len(times):6} tests  {folder}")
    print(f"the {SLOWEST} slowest tests:")
    for _, name, seconds in sorted(rows, key=lambda row: -row[2])[:SLOWEST]:
        print(f"{seconds:8.1f} s  {name[:150]}")


if __name__ == "__main__":
    main()
