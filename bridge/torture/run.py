"""A torture from its first process to its certificate: prepare, load and hurt, drain, stop,
count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import orjson

from bridge.core.errors import BridgeError
from bridge.store.db import scratch_schema
from bridge.store.db.database import Database
from bridge.store.operations import checkup
from bridge.store.queries import census
from bridge.torture import acts, certificate, clock, disk
from bridge.torture.accounting import account
from bridge.torture.arena import Arena, Tell
from bridge.torture.evidence import Folder
from bridge.torture.facts import facts_of
from bridge.torture.plan import CLOSING, KINDS, Plan
from bridge.torture.records import Finding
from bridge.torture.setting import arena_of, kept_folder, of_folder, store_of

FIRST: Final = 40.0  # seconds for the first start


@dataclass(frozen=True, slots=True)
class Result:
    """The certificate, and the folder with the evidence; null where it is gone."""

    certificate: dict[str, Any]
    folder: Path | None


def torture(plan: Plan, environ: Mapping[str, str], tell: Tell, *, keep: bool = False) -> Result:
    """Do what the plan says and return the certificate.

    No process of it is left afterwards. Its folder is, where something is wrong or `keep` says so.
    """
    with ExitStack() as stack:
        secluded = "disk" in plan.kinds and not plan.database_url and disk.seclude()
        folder = Folder(Path(mkdtemp(prefix="flowbridge-torture-")).resolve())
        kept = stack.enter_context(kept_folder(folder.path))
        url, schema = stack.enter_context(store_of(plan, folder, kept))
        arena = stack.enter_context(arena_of(plan, folder, url, environ, tell, secluded))
        kinds = acts.possible(arena, secluded)
        _begin(arena)
        _hurt(arena, kinds)
        arena.missed = [kind for kind in kinds if not arena.done[kind]]
        arena.not_run = (
            dict.fromkeys(arena.missed, "it was not done before the time was up") | arena.not_run
        )
        load_ended = arena.elapsed
        drained = _drain(arena)
        drain_ended = arena.elapsed
        _stop(arena, drained)
        facts = facts_of(
            arena, drained=drained, schema=schema, load=load_ended, drain=drain_ended - load_ended
        )
        folder.keep(arena.load.sent, facts)
        made = count(folder, url, facts)
        (folder.path / "certificate.json").write_bytes(
            orjson.dumps(made, option=orjson.OPT_INDENT_2)
        )
        kept.it = keep or made["verdict"] != "kept"
    return Result(made, folder.path if kept.it else None)


def count(folder: Folder, url: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Hold what the folder has against the store and return the certificate."""
    database = Database(url)
    try:
        books = census.read_rows(database)
        found = checkup.check_database(database)
    finally:
        database.close()
    starts, faults, odd = folder.executed()
    result = account(folder.sent(), books, starts, ended=facts["drained"])
    for one in facts["process_findings"]:
        result.findings.append(Finding(**one))
    for problem in found["problems"]:
        result.wrong("database", found["revision"] or "", problem)
    if not facts["drained"] and not result.findings:
        result.wrong("unsettled", "drain", "it had not come to rest when the time was up")
    if odd:
        result.wrong(
            "altered",
            "starts",
            f"{odd} calls to the platform were no starts that it knows, see {folder.starts.name}",
        )
    shown = {
        name: value
        for name, value in facts.items()
        if name not in ("process_findings", "database_schema")
    }
    return certificate.make(shown, result, faults)


def recount(path: Path, database_url: str) -> dict[str, Any]:
    """Count again what a torture has kept; on PostgreSQL with the URL of the database in which its
    schema still is.
    """
    folder = Folder(path.resolve())
    facts = folder.facts()
    schema = facts["database_schema"]
    if schema and not database_url:
        raise BridgeError(
            f"that torture's store is the schema {schema} of a PostgreSQL database: give its"
            " --database-url"
        )
    return count(
        folder, scratch_schema.schema_url(database_url, schema) if schema else folder.sqlite, facts
    )


# -- the phases


def _begin(arena: Arena) -> None:
    """Start everything; BridgeError with what was logged where it does not come up."""
    arena.phase = "start"
    arena.start_platform()
    if not arena.recover(min(FIRST, arena.left(arena.plan.load))):
        logs = "".join(
            process.log.read_text("utf-8", "replace")[-2000:]
            for node in arena.nodes
            for process in node.processes.values()
            if process.log.exists()
        )
        raise BridgeError(f"flowbridge did not become ready:\n{logs}")
    arena.load.start()


def _hurt(arena: Arena, kinds: list[str]) -> None:
    """One act after the other, until the time of the load is up, or enough was killed; each kind
    once, if there is any time for it.
    """
    arena.phase = "load"
    order = acts.order(kinds, arena)
    plan = arena.plan

    def due() -> int:
        return sum(not arena.done[kind] for kind in kinds)

    def left() -> float:
        return arena.left(plan.latest if due() else plan.load)

    # of the time, so that one kind from which it is long in recovering does not take that of the
    # others
    def share() -> float:
        return max(1.0, left() / (due() + 1))

    arena.wait(min(1.0, left()))
    while left() > 0 and (due() or not plan.kills or arena.kills.total() < plan.kills):
        kind = next(order, None)
        if kind is None:
            arena.wait(left())
            return
        arena.doing = KINDS[kind]
        if acts.ACTS[kind].do(arena) or (arena.recover(share()) and acts.ACTS[kind].do(arena)):
            arena.done[kind] += 1
        arena.doing = ""
        if arena.random.random() < acts.EARLY:
            arena.wait(min(arena.random.uniform(0.0, 1.5), left()))
            arena.start_nodes()
        else:
            arena.recover(share())
            arena.wait(min(arena.random.uniform(0.0, 1.0), left()))


def _drain(arena: Arena) -> bool:
    """Leave the bridge in peace, on a good day, until nothing is under way; return whether it came
    to that.
    """
    arena.phase = "drain"
    clock.mend(arena.clocks)
    arena.forecast(False)
    limit = arena.plan.seconds - CLOSING
    if not arena.platform.pid:
        arena.start_platform()
    if not arena.recover(max(1.0, arena.left(limit))):
        arena.findings.append(
            Finding("process", "drain", "flowbridge was not ready again when it was left in peace")
        )
        return False
    arena.load.finish(time.monotonic() + arena.left(limit))
    quiet = 0

    def at_rest() -> bool:
        nonlocal quiet
        arena.start_nodes()
        quiet = quiet + 1 if arena.load.is_over and arena.moving() == 0 else 0
        return quiet > 2

    return arena.until(at_rest, max(1.0, arena.left(limit)))


def _stop(arena: Arena, drained: bool) -> None:
    """End everything: in order, or, where there is no time left for that, at once. Then nobody may
    be left.
    """
    arena.phase = "stop"
    for node in arena.nodes:
        if not drained:
            node.kill()
        elif any(codes := node.stop()) or None in codes:
            text = (
                "SIGTERM ended it with"
                f" {', '.join('kill -9' if code is None else str(code) for code in codes)}: see"
                " logs/"
            )
            arena.findings.append(Finding("process", f"node {node.number}", text))
    arena.platform.kill()
    if arena.broker is not None:
        arena.broker.kill()
    if not arena.until(lambda: not of_folder(arena.folder.path), 3.0):
        left = of_folder(arena.folder.path)
        arena.findings.append(
            Finding(
                "process",
                ", ".join(map(str, left)),
                f"{len(left)} processes were left when it had ended",
            )
        )
    arena.phase = "count"
