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
from bridge.torture import clock, disk, lanes
from bridge.torture.arena import Arena, Tell
from bridge.torture.broker import Broker
from bridge.torture.clock import Clock
from bridge.torture.evidence import Folder
from bridge.torture.load import Load
from bridge.torture.nodes import Node, free_port
from bridge.torture.plan import Plan
from bridge.torture.processes import Process


@dataclass(slots=True)
class Kept:
    """Whether the folder, and the store, are kept: not unless somebody says so."""

    it: bool = False


@contextmanager
def kept_folder(path: Path) -> Iterator[Kept]:
    """Give what says whether it is kept."""
    kept = Kept()
    try:
        yield kept
    finally:
        if not kept.it:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def store_of(plan: Plan, folder: Folder, kept: Kept) -> Iterator[tuple[str, str]]:
    """Give the URL, and the name of the schema that was made for it; none on SQLite."""
    if not plan.database_url:
        yield folder.sqlite, ""
        return
    name = f"{scratch_schema.SCHEMA_PREFIX}{secrets.token_hex(4)}"
    url = scratch_schema.create(plan.database_url, name)
    try:
        yield url, name
    finally:
        if not kept.it:
            scratch_schema.drop(plan.database_url, name)


@contextmanager
def arena_of(
    plan: Plan, folder: Folder, url: str, environ: Mapping[str, str], tell: Tell, secluded: bool
) -> Iterator[Arena]:
    """Give everything, not yet started. Whatever happens, nothing of it runs afterwards."""
    adopt_orphans()
    random = Random(plan.seed)
    keys = lanes.Keys(
        source=secrets.token_hex(24), api_key=secrets.token_hex(16), user_id="torture"
    )
    port = free_port(random)
    (folder.path / "routes.yaml").write_text(lanes.document(f"http://127.0.0.1:{port}", keys))
    (folder.path / "flows.py").write_text(lanes.flows_py(str(folder.local)))
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
    faketime = clock.library() if "clock" in plan.kinds else None
    clocks = (
        [Clock(folder.path / f"clock-{number}", faketime) for number in range(plan.nodes)]
        if faketime
        else []
    )
    nodes = [
        Node(
            number,
            folder.path,
            called | (clocks[number].environ if clocks else {}),
            free_port(random),
            plan.commands,
        )
        for number in range(plan.nodes)
    ]

    def words(bad: bool) -> bytes:
        return orjson.dumps(
            {
                "port": port,
                "record": str(folder.starts),
                "seed": random.random(),
                "api_key": keys.api_key,
                "user_id": keys.user_id,
                "bad": bad,
            }
        )

    platform = Process(
        "platform", [sys.executable, "-m", "bridge.torture.platform"], folder.path, clean
    )
    load = Load([node.url for node in nodes], keys.source, plan.seed, plan.rate)
    small = disk.SmallDisk(folder.path / "small") if secluded else None
    arena = Arena(
        plan,
        folder,
        url,
        nodes,
        platform,
        words,
        load,
        tell,
        random,
        clocks=clocks,
        disk=small,
        broker=broker,
        bad="weather" in plan.kinds,
    )
    try:
        yield arena
    finally:
        load.finish(0.0)
        _end_all(arena)


def _end_all(arena: Arena) -> None:
    """Leave no process, however often Ctrl-C is pressed meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        for process in [
            arena.platform,
            *(each for node in arena.nodes for each in node.processes.values()),
        ]:
            process.kill()
        if arena.broker is not None:
            arena.broker.kill()
        for pid in of_folder(arena.folder.path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if arena.disk is not None and arena.disk.mounted:
            arena.disk.unmount()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def of_folder(path: Path) -> list[int]:
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
