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
from bridge.torture import certificate, clock, disk, faults
from bridge.torture.accounting import account_for_events
from bridge.torture.environment import Environment, ReportProgress
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.facts import collect_facts
from bridge.torture.plan import CLOSING_SECONDS, FAULT_DESCRIPTIONS, Plan
from bridge.torture.records import Finding
from bridge.torture.resources import find_processes, open_environment, open_folder, open_store

START_SECONDS: Final = 40.0  # seconds for the first start


@dataclass(frozen=True, slots=True)
class TortureResult:
    """The certificate, and the folder with the evidence; null where it is gone."""

    certificate: dict[str, Any]
    folder: Path | None


def run_torture(
    plan: Plan, environ: Mapping[str, str], report_progress: ReportProgress, *, keep: bool = False
) -> TortureResult:
    """Do what the plan says and return the certificate.

    No process of it is left afterwards. Its folder is, where something is wrong or `keep` says so.
    """
    with ExitStack() as stack:
        own_mounts = "disk" in plan.kinds and not plan.database_url and disk.unshare_mounts()
        folder = EvidenceFolder(Path(mkdtemp(prefix="flowbridge-torture-")).resolve())
        retention = stack.enter_context(open_folder(folder.path))
        url, schema = stack.enter_context(open_store(plan, folder, retention))
        env = stack.enter_context(
            open_environment(plan, folder, url, environ, report_progress, own_mounts)
        )
        kinds = faults.select_possible(env, own_mounts)
        _start(env)
        _inject_faults(env, kinds)
        env.missed = [kind for kind in kinds if not env.done[kind]]
        env.not_run = (
            dict.fromkeys(env.missed, "it was not done before the time was up") | env.not_run
        )
        load_ended = env.elapsed
        drained = _drain(env)
        drain_ended = env.elapsed
        _stop(env, drained)
        facts = collect_facts(
            env, drained=drained, schema=schema, load=load_ended, drain=drain_ended - load_ended
        )
        folder.save(env.load.sent, facts)
        made = count_evidence(folder, url, facts)
        (folder.path / "certificate.json").write_bytes(
            orjson.dumps(made, option=orjson.OPT_INDENT_2)
        )
        retention.keep = keep or made["verdict"] != "kept"
    return TortureResult(made, folder.path if retention.keep else None)


def count_evidence(folder: EvidenceFolder, url: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Hold what the folder has against the store and return the certificate."""
    database = Database(url)
    try:
        rows = census.read_rows(database)
        found = checkup.check_database(database)
    finally:
        database.close()
    starts, answer_faults, odd = folder.read_starts()
    result = account_for_events(folder.read_sent(), rows, starts, ended=facts["drained"])
    for one in facts["process_findings"]:
        result.findings.append(Finding(**one))
    for problem in found["problems"]:
        result.add_finding("database", found["revision"] or "", problem)
    if not facts["drained"] and not result.findings:
        result.add_finding("unsettled", "drain", "it had not come to rest when the time was up")
    if odd:
        result.add_finding(
            "altered",
            "starts",
            f"{odd} calls to the platform were no starts that it knows, see {folder.starts_file.name}",
        )
    shown = {
        name: value
        for name, value in facts.items()
        if name not in ("process_findings", "database_schema")
    }
    return certificate.make_certificate(shown, result, answer_faults)


def recount(path: Path, database_url: str) -> dict[str, Any]:
    """Count again what a torture has kept; on PostgreSQL with the URL of the database in which its
    schema still is.
    """
    folder = EvidenceFolder(path.resolve())
    facts = folder.read_facts()
    schema = facts["database_schema"]
    if schema and not database_url:
        raise BridgeError(
            f"that torture's store is the schema {schema} of a PostgreSQL database: give its"
            " --database-url"
        )
    return count_evidence(
        folder,
        scratch_schema.schema_url(database_url, schema) if schema else folder.sqlite_url,
        facts,
    )


# -- the phases


def _start(env: Environment) -> None:
    """Start everything; BridgeError with what was logged where it does not come up."""
    env.phase = "start"
    env.start_platform()
    if not env.recover(min(START_SECONDS, env.remaining(env.plan.load_seconds))):
        logs = "".join(
            process.log.read_text("utf-8", "replace")[-2000:]
            for node in env.nodes
            for process in node.processes.values()
            if process.log.exists()
        )
        raise BridgeError(f"flowbridge did not become ready:\n{logs}")
    env.load.start()


def _inject_faults(env: Environment, kinds: list[str]) -> None:
    """One act after the other, until the time of the load is up, or enough was killed; each kind
    once, if there is any time for it.
    """
    env.phase = "load"
    order = faults.schedule_faults(kinds, env)
    plan = env.plan

    def due() -> int:
        return sum(not env.done[kind] for kind in kinds)

    def left() -> float:
        return env.remaining(plan.max_load_seconds if due() else plan.load_seconds)

    # of the time, so that one kind from which it is long in recovering does not take that of the
    # others
    def share() -> float:
        return max(1.0, left() / (due() + 1))

    env.wait(min(1.0, left()))
    while left() > 0 and (due() or not plan.kills or env.kills.total() < plan.kills):
        kind = next(order, None)
        if kind is None:
            env.wait(left())
            return
        env.current_fault = FAULT_DESCRIPTIONS[kind]
        if faults.FAULTS[kind].inject(env) or (
            env.recover(share()) and faults.FAULTS[kind].inject(env)
        ):
            env.done[kind] += 1
        env.current_fault = ""
        if env.random.random() < faults.EARLY_SHARE:
            env.wait(min(env.random.uniform(0.0, 1.5), left()))
            env.start_nodes()
        else:
            env.recover(share())
            env.wait(min(env.random.uniform(0.0, 1.0), left()))


def _drain(env: Environment) -> bool:
    """Leave the bridge in peace, on a good day, until nothing is under way; return whether it came
    to that.
    """
    env.phase = "drain"
    clock.reset_clocks(env.clocks)
    env.set_platform_faults(False)
    limit = env.plan.total_seconds - CLOSING_SECONDS
    if not env.platform.pid:
        env.start_platform()
    if not env.recover(max(1.0, env.remaining(limit))):
        env.findings.append(
            Finding("process", "drain", "flowbridge was not ready again when it was left in peace")
        )
        return False
    env.load.finish(time.monotonic() + env.remaining(limit))
    quiet = 0

    def at_rest() -> bool:
        nonlocal quiet
        env.start_nodes()
        quiet = quiet + 1 if env.load.is_finished and env.count_in_progress() == 0 else 0
        return quiet > 2

    return env.wait_until(at_rest, max(1.0, env.remaining(limit)))


def _stop(env: Environment, drained: bool) -> None:
    """End everything: in order, or, where there is no time left for that, at once. Then nobody may
    be left.
    """
    env.phase = "stop"
    for node in env.nodes:
        if not drained:
            node.kill()
        elif any(codes := node.stop()) or None in codes:
            text = (
                "SIGTERM ended it with"
                f" {', '.join('kill -9' if code is None else str(code) for code in codes)}: see"
                " logs/"
            )
            env.findings.append(Finding("process", f"node {node.number}", text))
    env.platform.kill()
    if env.broker is not None:
        env.broker.kill()
    if not env.wait_until(lambda: not find_processes(env.folder.path), 3.0):
        left = find_processes(env.folder.path)
        env.findings.append(
            Finding(
                "process",
                ", ".join(map(str, left)),
                f"{len(left)} processes were left when it had ended",
            )
        )
    env.phase = "count"
