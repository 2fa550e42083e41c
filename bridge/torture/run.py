"""Run a crash test: start, load with faults, drain, stop, and count."""

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
from bridge.torture import certificate, clock, clock_faults, disk, faults
from bridge.torture.accounting import account_for_events
from bridge.torture.environment import Environment, ReportProgress
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.facts import collect_facts
from bridge.torture.plan import CLOSING_SECONDS, FAULT_DESCRIPTIONS, Plan
from bridge.torture.records import Finding
from bridge.torture.resources import find_processes, open_environment, open_folder, open_store

START_SECONDS: Final = 40.0  # for the first start


@dataclass(frozen=True, slots=True)
class TortureResult:
    """The certificate, and the evidence folder, or None if it was removed."""

    certificate: dict[str, Any]
    folder: Path | None


def run_torture(
    plan: Plan, environ: Mapping[str, str], report_progress: ReportProgress, *, keep: bool = False
) -> TortureResult:
    """Run the crash test and return the certificate.

    It ends all of its processes. It removes its folder unless it found a problem or `keep` is set.
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
            dict.fromkeys(env.missed, "it did not occur before the time was up") | env.not_run
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
    """Compare the evidence with the store and return the certificate."""
    database = Database(url)
    try:
        rows = census.read_rows(database)
        report = checkup.check_database(database)
    finally:
        database.close()
    starts, answer_faults, invalid = folder.read_starts()
    result = account_for_events(folder.read_sent(), rows, starts, ended=facts["drained"])
    # First, since not all are listed: they may be the cause of the others.
    result.findings[:0] = [Finding(**finding) for finding in facts["process_findings"]]
    for problem in report["problems"]:
        result.add_finding("database", report["revision"] or "", problem)
    if not facts["drained"] and not result.findings:
        result.add_finding("unsettled", "drain", "work was still in progress when the time was up")
    if invalid:
        result.add_finding(
            "altered",
            "starts",
            f"the platform got {invalid} invalid starts: see {folder.starts_file.name}",
        )
    published = {
        name: value
        for name, value in facts.items()
        if name not in ("process_findings", "database_schema")
    }
    return certificate.make_certificate(published, result, answer_faults)


def recount(path: Path, database_url: str) -> dict[str, Any]:
    """Count the evidence of an earlier run again.

    On PostgreSQL, `database_url` is the database that contains the schema of that run.
    """
    folder = EvidenceFolder(path.resolve())
    facts = folder.read_facts()
    schema = facts["database_schema"]
    if schema and not database_url:
        raise BridgeError(
            f"the store of that run is the schema {schema} of a PostgreSQL database: add its"
            " --database-url"
        )
    return count_evidence(
        folder,
        scratch_schema.schema_url(database_url, schema) if schema else folder.sqlite_url,
        facts,
    )


# -- the phases


def _start(env: Environment) -> None:
    """Start everything, or raise `BridgeError` with the logs if flowbridge does not get ready."""
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
    """Inject one fault after the other until the load ends, each kind at least once if possible."""
    env.phase = "load"
    order = faults.schedule_faults(kinds, env)
    plan = env.plan

    def missing() -> int:
        return sum(not env.done[kind] for kind in kinds)

    def left() -> float:
        return env.remaining(plan.max_load_seconds if missing() else plan.load_seconds)

    # limits the recovery, so that one slow kind does not use up the time of the others
    def share() -> float:
        return max(1.0, left() / (missing() + 1))

    env.wait(min(1.0, left()))
    while left() > 0 and (missing() or not plan.kills or env.kills.total() < plan.kills):
        kind = next(order, None)
        if kind is None:
            env.wait(left())
            return
        env.current_fault = FAULT_DESCRIPTIONS[kind]
        if faults.FAULTS[kind].inject(env) or (
            env.recover(share()) and left() > 0 and faults.FAULTS[kind].inject(env)
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
    """Stop all faults and wait until no work is in progress; return whether that was reached."""
    env.phase = "drain"
    clock.reset_clocks(env.clocks)
    env.set_platform_faults(False)
    limit = env.plan.total_seconds - CLOSING_SECONDS
    if not env.platform.pid:
        env.start_platform()
    if not env.recover(max(1.0, env.remaining(limit))):
        env.findings.append(
            Finding("process", "drain", "flowbridge did not become ready again without faults")
        )
        return False
    env.load.finish(time.monotonic() + env.remaining(limit))
    idle_polls = 0

    def is_drained() -> bool:
        nonlocal idle_polls
        env.start_nodes()
        is_idle = env.load.is_finished and env.count_in_progress() == 0
        idle_polls = idle_polls + 1 if is_idle else 0
        return idle_polls > 2

    is_over = env.wait_until(is_drained, max(1.0, env.remaining(limit)))
    clock_faults.check_waits(env)
    return is_over


def _stop(env: Environment, drained: bool) -> None:
    """Stop everything, or kill it if the drain failed, and check that no process is left."""
    env.phase = "stop"
    for node in env.nodes:
        if not drained:
            node.kill()
        elif any(codes := node.stop()) or None in codes:
            text = (
                "exit codes after SIGTERM:"
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
                f"{len(left)} processes were left after the stop",
            )
        )
    env.phase = "count"
