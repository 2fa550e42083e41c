"""What is known of a torture besides its events: what was done, on what, and how long it took."""

from __future__ import annotations

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
from bridge.monitoring.serializers import iso
from bridge.store.db.database import Database
from bridge.store.operations import checkup
from bridge.torture import machine
from bridge.torture.arena import Arena
from bridge.torture.clock import BEYOND_SKEW

#: What is counted beside the blow that it was part of.
WITHIN = ("disk_refusals", "overtaken", "broker_emptied", "messages_lost", *BEYOND_SKEW)


def facts_of(
    arena: Arena, *, drained: bool, schema: str, load: float, drain: float
) -> dict[str, Any]:
    """Return what is known of the run itself: with `process_findings` and `database_schema`, which
    only counting needs.
    """
    plan = arena.plan
    database = Database(arena.url)
    try:
        version = checkup.check_database(database)["version"]
    finally:
        database.close()
    kills: dict[str, dict[str, int]] = {}
    for (name, victim), number in sorted(arena.kills.items()):
        kills.setdefault(name, {})[victim] = number
    after = arena.again_after
    return {
        "flowbridge": bridge.__version__,
        "code": arena.code,
        "made_at": iso(time.time()),
        "machine": machine.facts(arena.folder.path),
        "database": {"kind": "postgresql" if plan.database_url else "sqlite", "version": version},
        "engine": plan.engine,
        "nodes": plan.nodes,
        "seed": plan.seed,
        "plan": {name: value for name, value in asdict(plan).items() if name != "database_url"},
        "seconds": {
            "load": round(load, 1),
            "drain": round(drain, 1),
            "total": round(arena.elapsed, 1),
        },
        "drained": drained,
        "cycles": arena.done.total() - sum(arena.done[what] for what in WITHIN),
        "kills": kills,
        "faults": {kind: arena.done[kind] for kind in ("disk", "clock", "database", *WITHIN)},
        "acknowledges_again_after": {
            "count": len(after),
            "median": round(statistics.median(after), 2) if after else None,
            "longest": round(max(after), 2) if after else None,
        },
        "missed": arena.missed,
        "not_run": arena.not_run,
        "errors_logged": logged_errors(arena.folder.path.glob("logs/*.log")),
        "process_findings": [asdict(one) for one in arena.findings],
        "database_schema": schema,
    }


def logged_errors(paths: Iterable[Path]) -> dict[str, int]:
    """Return how often each error stands in the logs: what flowbridge itself said went wrong."""
    found: Counter[str] = Counter()
    for path in paths:
        for line in path.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError, AttributeError):
                said = orjson.loads(line)
                if said.get("level") == "error":
                    found[str(said.get("event"))] += 1
    return dict(found.most_common())
