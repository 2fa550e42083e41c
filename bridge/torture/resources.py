"""Create the folder with its routes.yaml and flows.py, the database and the processes of a crash
test, and remove them afterwards.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from bridge.store.db import scratch_schema
from bridge.system.linux_process import adopt_orphans
from bridge.torture import clock, disk
from bridge.torture.broker import Broker
from bridge.torture.clock import NodeClock
from bridge.torture.environment import Environment, ReportProgress
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.load import LoadGenerator
from bridge.torture.nodes import PORT_RANGE, Node, find_free_port
from bridge.torture.plan import Plan
from bridge.torture.processes import Process
from bridge.torture.scenarios import (
    CALL_TIMEOUT_SECONDS,
    DEBOUNCE_MAX_SECONDS,
    RETRY_MAX_SECONDS,
    RUN_TIMEOUT_SECONDS,
    SCENARIOS,
    SIGNATURE_HEADER,
    SOURCE_NAME,
    TYPE_HEADER,
    Scenario,
)

MAX_RUNS: Final = 64  # of the platform


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSecrets:
    """The temporary secrets of one run."""

    source: str = field(repr=False)
    api_key: str = field(repr=False)
    user_id: str


def render_routes_yaml(
    platform_url: str, secrets: RunSecrets, scenarios: Sequence[Scenario] = SCENARIOS
) -> str:
    """Return the routes.yaml for a platform at `platform_url`, as JSON, which is valid YAML."""
    platforms: dict[str, dict[str, Any]] = {
        "gumloop": {
            "type": "gumloop",
            "base_url": f"{platform_url}/api/v1",
            "api_key": secrets.api_key,
            "user_id": secrets.user_id,
            "max_concurrent_runs": MAX_RUNS,
        },
        "http": {
            "type": "http",
            "url": f"{platform_url}/post",
            "max_concurrent_runs": MAX_RUNS // 2,
        },
        "local": {"type": "local", "flows": "flows.py", "max_concurrent_runs": MAX_RUNS // 4},
    }
    for platform in platforms.values():
        platform["timeout"] = f"{CALL_TIMEOUT_SECONDS:g}s"
    source = {
        "provider": "hmac",
        "secret": secrets.source,
        "verify": {"header": SIGNATURE_HEADER, "prefix": "sha256="},
        "event_type": f"header:{TYPE_HEADER}",
        "event_id": "body:id",
    }
    flows = {
        scenario.flow: {
            "platform": scenario.platform,
            "saved_item_id": scenario.flow,
            "exclusive": True,
        }
        for scenario in scenarios
        if scenario.exclusive
    }
    written = {
        "version": 1,
        "platforms": platforms,
        "sources": {SOURCE_NAME: source},
        "flows": flows,
        "routes": [_render_route(scenario) for scenario in scenarios],
    }
    return orjson.dumps(written, option=orjson.OPT_INDENT_2).decode()


def _render_route(scenario: Scenario) -> dict[str, Any]:
    inputs = {
        "route": scenario.route,
        "event": "${event.id}",
        "id": "${body.id}",
        "key": "${body.key}",
    }
    route = {
        "name": scenario.route,
        "on": f"{SOURCE_NAME} {', '.join(scenario.types)}",
        "inputs": inputs,
        "flow": f"{scenario.platform}/{scenario.flow}",
        "run_timeout": f"{RUN_TIMEOUT_SECONDS:g}s",
        "retry": {"attempts": 40, "first": "200ms", "max": f"{RETRY_MAX_SECONDS:g}s"},
    }
    written: dict[str, Any] = {
        "mode": "shadow" if scenario.mode == "shadow" else "live",
        "on_unknown": scenario.on_unknown,
    }
    written |= {"order_by": "body.key"} if scenario.ordered else {}
    written |= {"max_concurrent_runs": scenario.cap} if scenario.cap is not None else {}
    written |= {"on_run_failed": {"retry": scenario.reruns}} if scenario.reruns else {}
    written |= (
        {
            "debounce": {
                "wait": "700ms",
                "max": f"{DEBOUNCE_MAX_SECONDS:g}s",
                "key": "body.key",
            }
        }
        if scenario.merges
        else {}
    )
    return route | written | dict(scenario.extra)


def render_flows_py(record: str) -> str:
    """Return the flows.py. The only effect of each run is a line in the file `record`."""
    return f'''import json
import os
import time

from bridge.flows import flow

RECORD = {record!r}


def _append(**line):
    """Append one line in one write, so that a kill leaves no partial line."""
    file = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(dict(line, at=time.time())).encode() + b"\\n")
    finally:
        os.close(file)


@flow(idempotent=True)
def again(route: str, event: str, id: str, key: str):
    """An interrupted run is repeated."""
    _append(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}


@flow
def once(route: str, event: str, id: str, key: str):
    """An interrupted run has failed and is not repeated."""
    _append(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}
'''


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
    run_secrets = RunSecrets(
        source=secrets.token_hex(24), api_key=secrets.token_hex(16), user_id="torture"
    )
    port = find_free_port()
    (folder.path / "routes.yaml").write_text(
        render_routes_yaml(f"http://127.0.0.1:{port}", run_secrets)
    )
    (folder.path / "flows.py").write_text(render_flows_py(str(folder.local_file)))
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
            *(node_process for node in env.nodes for node_process in node.processes.values()),
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
    pids = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                pids.append(int(entry.name))
    return pids
