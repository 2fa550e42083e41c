"""Create the folder, the database and the processes of a crash test, and remove them afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson

from bridge.store.db import scratch_schema
from bridge.system.linux_process import adopt_orphans
from bridge.torture import clock, disk, project_files
from bridge.torture.broker import Broker
from bridge.torture.clock import NodeClock
from bridge.torture.environment import Environment, ReportProgress
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.load import LoadGenerator
from bridge.torture.nodes import PORT_RANGE, Node, find_free_port
from bridge.torture.plan import Plan
from bridge.torture.processes import Process


@dataclass(slots=True)
class EvidenceRetention:
    """Whether to keep the folder and the schema; off by default."""

    keep: bool = False


@contextmanager
def open_folder(path: Path) -> Iterator[EvidenceRetention]:
    """Yield the retention of a folder, and delete the folder at the end unless it is set."""
    retention = EvidenceRetention()
    try:
        yield retention
    finally:
        if not retention.keep:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def open_store(
    plan: Plan, folder: EvidenceFolder, retention: EvidenceRetention
) -> Iterator[tuple[str, str]]:
    """Yield the URL of the store, and the name of its schema (empty on SQLite)."""
    if not plan.database_url:
        yield folder.sqlite_url, ""
        return
    name = f"{scratch_schema.SCHEMA_PREFIX}{secrets.token_hex(4)}"
    url = scratch_schema.create(plan.database_url, name)
    try:
        yield url, name
    finally:
        if not retention.keep:
            scratch_schema.drop(plan.database_url, name)


def seed_generator(plan: Plan) -> Random:
    """Return the generator of the faults.

    It skips one number for each port: earlier versions drew the ports from it, and a seed still
    gives the same faults.
    """
    random = Random(plan.seed)
    for _ in range(1 + (plan.engine == "celery") + plan.nodes):
        random.randrange(*PORT_RANGE)
    return random


@contextmanager
def open_environment(
    plan: Plan,
    folder: EvidenceFolder,
    url: str,
    environ: Mapping[str, str],
    report_progress: ReportProgress,
    own_mounts: bool,
) -> Iterator[Environment]:
    """Yield the environment, not yet started, and end all of its processes afterwards."""
    adopt_orphans()
    random = seed_generator(plan)
    run_secrets = project_files.RunSecrets(
        source=secrets.token_hex(24), api_key=secrets.token_hex(16), user_id="torture"
    )
    port = find_free_port()
    (folder.path / "routes.yaml").write_text(
        project_files.render_routes_yaml(f"http://127.0.0.1:{port}", run_secrets)
    )
    (folder.path / "flows.py").write_text(project_files.render_flows_py(str(folder.local_file)))
    base_environ = {
        name: value for name, value in environ.items() if not name.startswith("FLOWBRIDGE_")
    }
    base_environ |= {
        "FLOWBRIDGE_DATA": str(folder.data),
        "FLOWBRIDGE_LOG": "warning",
        "FLOWBRIDGE_SECRET_KEY": secrets.token_hex(32),
        "FLOWBRIDGE_RECONCILE_AFTER": "2",
    }
    base_environ |= {"FLOWBRIDGE_DATABASE_URL": url} if plan.database_url else {}
    broker = Broker(folder.path, base_environ) if plan.engine == "celery" else None
    node_environ = base_environ | (
        {}
        if broker is None
        else {"FLOWBRIDGE_ENGINE": "celery", "FLOWBRIDGE_BROKER_URL": broker.url}
    )
    steps_clocks = not set(clock.CLOCK_KINDS).isdisjoint(plan.kinds)
    faketime = clock.find_library() if steps_clocks else None
    clocks = (
        [NodeClock(folder.path / f"clock-{number}", faketime) for number in range(plan.nodes)]
        if faketime
        else []
    )
    nodes = [
        Node(
            number,
            folder.path,
            node_environ | (clocks[number].environ if clocks else {}),
            find_free_port(),
            plan.commands,
        )
        for number in range(plan.nodes)
    ]

    def platform_settings(faulty: bool) -> bytes:
        return orjson.dumps(
            {
                "port": port,
                "record": str(folder.starts_file),
                "seed": random.random(),
                "api_key": run_secrets.api_key,
                "user_id": run_secrets.user_id,
                "faulty": faulty,
            }
        )

    platform = Process(
        "platform",
        [sys.executable, "-m", "bridge.torture.faulty_platform"],
        folder.path,
        base_environ,
    )
    load = LoadGenerator([node.url for node in nodes], run_secrets.source, plan.seed, plan.rate)
    small = disk.SmallDisk(folder.path / "small") if own_mounts else None
    env = Environment(
        plan,
        folder,
        url,
        nodes,
        platform,
        platform_settings,
        load,
        report_progress,
        random,
        clocks=clocks,
        disk=small,
        broker=broker,
        faulty="weather" in plan.kinds,
    )
    try:
        yield env
    finally:
        load.finish(0.0)
        _end_processes(env)


def _end_processes(env: Environment) -> None:
    """Kill every process, and ignore further signals meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        for process in [
            env.platform,
            *(each for node in env.nodes for each in node.processes.values()),
        ]:
            process.kill()
        if env.broker is not None:
            env.broker.kill()
        for pid in find_processes(env.folder.path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if env.disk is not None and env.disk.mounted:
            env.disk.unmount()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def find_processes(path: Path) -> list[int]:
    """Return the processes of a run: their environment names the data of its folder."""
    mark = os.fsencode(f"FLOWBRIDGE_DATA={path}/")
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found
