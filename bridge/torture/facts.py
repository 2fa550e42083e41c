"""The facts of a run besides its events: the faults, the machine, the code and the durations."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

import bridge
from bridge.core.units import iso
from bridge.store.db.database import Database
from bridge.store.operations import checkup
from bridge.torture.clock import LARGE_STEPS
from bridge.torture.environment import Environment


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
    filesystem = "unknown"
    for line in mounts.splitlines():
        _, at, kind, *_ = line.split(" ")
        place = Path(at.replace("\\040", " "))
        if folder.is_relative_to(place) and len(place.parts) >= best:
            best = len(place.parts)
            filesystem = kind
    return filesystem


def _search_file(file: Path, pattern: str) -> str:
    try:
        match = re.search(pattern, file.read_text("utf-8", "replace"))
    except OSError:
        return ""
    return match[1].strip() if match else ""


#: details of faults; they are not faults of their own
DETAIL_COUNTS = ("disk_refusals", "overtaken", "broker_emptied", "messages_lost", *LARGE_STEPS)


def collect_facts(
    env: Environment, *, drained: bool, schema: str, load: float, drain: float
) -> dict[str, Any]:
    """Return the facts of the certificate.

    `process_findings` and `database_schema` are for counting only; the certificate omits them.
    """
    plan = env.plan
    database = Database(env.url)
    try:
        version = checkup.check_database(database)["version"]
    finally:
        database.close()
    kills: dict[str, dict[str, int]] = {}
    for (name, victim), number in sorted(env.kills.items()):
        kills.setdefault(name, {})[victim] = number
    recovery = env.recovery_seconds
    return {
        "flowbridge": bridge.__version__,
        "code": env.code,
        "made_at": iso(time.time()),
        "machine": describe_machine(env.folder.path),
        "database": {"kind": "postgresql" if plan.database_url else "sqlite", "version": version},
        "engine": plan.engine,
        "nodes": plan.nodes,
        "seed": plan.seed,
        "plan": {name: value for name, value in asdict(plan).items() if name != "database_url"},
        "seconds": {
            "load": round(load, 1),
            "drain": round(drain, 1),
            "total": round(env.elapsed, 1),
        },
        "drained": drained,
        "cycles": env.done.total() - sum(env.done[what] for what in DETAIL_COUNTS),
        "kills": kills,
        "faults": {
            kind: env.done[kind]
            for kind in ("disk", "clock", "blip", "database", "lapse", *DETAIL_COUNTS)
        },
        "acknowledges_again_after": {
            "count": len(recovery),
            "median": round(statistics.median(recovery), 2) if recovery else None,
            "longest": round(max(recovery), 2) if recovery else None,
        },
        "missed": env.missed,
        "not_run": env.not_run,
        "errors_logged": count_logged_errors(env.folder.path.glob("logs/*.log")),
        "process_findings": [asdict(finding) for finding in env.findings],
        "database_schema": schema,
    }


def count_logged_errors(paths: Iterable[Path]) -> dict[str, int]:
    """Return the count of each error event in the logs of flowbridge."""
    counts: Counter[str] = Counter()
    for path in paths:
        for line in path.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError, AttributeError):
                entry = orjson.loads(line)
                if entry.get("level") == "error":
                    counts[str(entry.get("event"))] += 1
    return dict(counts.most_common())
