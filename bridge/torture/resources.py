"""What a torture needs for its time: a folder, a database, and everything that takes part; nothing
of it is left afterwards.
"""

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
from bridge.torture import clock, disk, scenarios
from bridge.torture.broker import Broker
from bridge.torture.clock import NodeClock
from bridge.torture.environment import Environment, ReportProgress
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.load import LoadGenerator
from bridge.torture.nodes import Node, find_free_port
from bridge.torture.plan import Plan
from bridge.torture.processes import Process


@dataclass(slots=True)
class Retention:
    """Whether the folder, and the store, are kept: not unless somebody says so."""

    keep: bool = False


@contextmanager
def open_folder(path: Path) -> Iterator[Retention]:
    """Give what says whether it is kept."""
    retention = Retention()
    try:
        yield retention
    finally:
        if not retention.keep:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def open_store(
    plan: Plan, folder: EvidenceFolder, retention: Retention
) -> Iterator[tuple[str, str]]:
    """Give the URL, and the name of the schema that was made for it; none on SQLite."""
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


@contextmanager
def open_environment(
    plan: Plan,
    folder: EvidenceFolder,
    url: str,
    environ: Mapping[str, str],
    report_progress: ReportProgress,
    own_mounts: bool,
) -> Iterator[Environment]:
    """Give everything, not yet started. Whatever happens, nothing of it runs afterwards."""
    adopt_orphans()
    random = Random(plan.seed)
    keys = scenarios.RunSecrets(
        source=secrets.token_hex(24), api_key=secrets.token_hex(16), user_id="torture"
    )
    port = find_free_port(random)
    (folder.path / "routes.yaml").write_text(
        scenarios.render_routes_yaml(f"http://127.0.0.1:{port}", keys)
    )
    (folder.path / "flows.py").write_text(scenarios.render_flows_py(str(folder.local_file)))
    clean = {name: value for name, value in environ.items() if not name.startswith("FLOWBRIDGE_")}
    clean |= {
        "FLOWBRIDGE_DATA": str(folder.data),
        "FLOWBRIDGE_LOG": "warning",
        "FLOWBRIDGE_SECRET_KEY": secrets.token_hex(32),
        "FLOWBRIDGE_RECONCILE_AFTER": "2",
    }
    clean |= {"FLOWBRIDGE_DATABASE_URL": url} if plan.database_url else {}
    broker = Broker(folder.path, clean, random) if plan.engine == "celery" else None
    called = clean | (
        {}
        if broker is None
        else {"FLOWBRIDGE_ENGINE": "celery", "FLOWBRIDGE_BROKER_URL": broker.url}
    )
    faketime = clock.find_library() if "clock" in plan.kinds else None
    clocks = (
        [NodeClock(folder.path / f"clock-{number}", faketime) for number in range(plan.nodes)]
        if faketime
        else []
    )
    nodes = [
        Node(
            number,
            folder.path,
            called | (clocks[number].environ if clocks else {}),
            find_free_port(random),
            plan.commands,
        )
        for number in range(plan.nodes)
    ]

    def words(faulty: bool) -> bytes:
        return orjson.dumps(
            {
                "port": port,
                "record": str(folder.starts_file),
                "seed": random.random(),
                "api_key": keys.api_key,
                "user_id": keys.user_id,
                "faulty": faulty,
            }
        )

    platform = Process(
        "platform", [sys.executable, "-m", "bridge.torture.faulty_platform"], folder.path, clean
    )
    load = LoadGenerator([node.url for node in nodes], keys.source, plan.seed, plan.rate)
    small = disk.SmallDisk(folder.path / "small") if own_mounts else None
    env = Environment(
        plan,
        folder,
        url,
        nodes,
        platform,
        words,
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
    """Leave no process, however often Ctrl-C is pressed meanwhile."""
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
    """Return the processes whose environment names the data of this folder: whoever belongs to the
    torture there.
    """
    mark = os.fsencode(f"FLOWBRIDGE_DATA={path}/")
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found
