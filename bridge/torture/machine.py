"""The machine that the crash test runs on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any


def describe_machine(folder: Path) -> dict[str, Any]:
    """Return the processor, cores, memory, kernel and Python, and the file system of `folder`."""
    return {
        "cpu": (
            _search_file(Path("/proc/cpuinfo"), r"(?:model name|Model|Hardware)\s*: (.+)")
            or platform.machine()
        ),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _search_file(Path("/etc/os-release"), r'PRETTY_NAME="?([^"\n]+)')
        or platform.system(),
        "filesystem": find_filesystem(folder, Path("/proc/self/mounts").read_text()),
        "python": platform.python_version(),
    }


def find_filesystem(folder: Path, mounts: str) -> str:
    """Return the type of a folder's file system, from the text of /proc/mounts."""
    best = -1
    found = "unknown"
    for line in mounts.splitlines():
        _, at, kind, *_ = line.split(" ")
        place = Path(at.replace("\\040", " "))
        if folder.is_relative_to(place) and len(place.parts) >= best:
            best = len(place.parts)
            found = kind
    return found


def _search_file(file: Path, pattern: str) -> str:
    try:
        found = re.search(pattern, file.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return found[1].strip() if found else ""
