"""Builds overviews of a bridge: one without trouble, and one with a value for each gauge."""

from __future__ import annotations

from dataclasses import replace

from records import NOW

from bridge.core.circuit_state import Circuit
from bridge.core.status import (
    BackupStatus,
    ConfigStatus,
    Overview,
    PlatformStatus,
    RouteQueue,
    RunningProcess,
    SourceStatus,
    UrlCertificate,
)

HASH = "a" * 64
WEB = RunningProcess(pid=1, host="h", role="web", since=NOW - 100, config_hash=HASH)
WORK = RunningProcess(pid=2, host="h", role="work", since=NOW - 100, config_hash=HASH)
LANE = RouteQueue(
    route="triage",
    platform="gumloop",
    queued=3,
    oldest_at=NOW - 9000,
    oldest_id="dlv_1",
    due_at=NOW - 60,
)
WELL = Overview(
    at=NOW,
    version="1.0",
    running_versions=["1.0"],
    is_shared=False,
    processes=[WEB, WORK],
    config=ConfigStatus(hash=HASH, since=NOW - 100),
    sources=[SourceStatus(name="github", last_at=NOW - 5, today=3, rejected_today=1)],
    today_cut=False,
    queue=[LANE],
    blocked={"triage": 2},
    platforms=[PlatformStatus(name="gumloop", cap=5, calls=1, runs=4)],
    dead=7,
    dead_today=0,
    unknown=2,
    held=0,
    hold_since=None,
    hold_reason=None,
    counted_to=100,
    data="/srv/data",
    disk_free=30 * 10**9,
    disk_total=100 * 10**9,
    database_size=10**6,
    database_ahead=0.1,
)


def everything(at: float = 1_764_000_000.0) -> Overview:
    return replace(
        WELL,
        at=at,
        config=ConfigStatus(
            hash="a" * 64, since=at - 5, error=("routes.yaml:8: no",), restart=("FLOWBRIDGE_LOG",)
        ),
        processes=[
            RunningProcess(pid=1, host="h", role=role, since=at)
            for role in ("web", "web", "celery")
        ],
        sources=[SourceStatus(name="github", last_at=at - 9), SourceStatus(name="never")],
        queue=[
            RouteQueue(
                route="live",
                platform="p",
                queued=3,
                oldest_at=at - 100,
                oldest_id="d",
                due_at=at - 40,
            ),
            RouteQueue(
                route="later",
                platform="p",
                queued=1,
                oldest_at=at - 10,
                oldest_id="d",
                due_at=at + 50,
            ),
            RouteQueue(
                route="paused",
                platform="p",
                queued=1,
                oldest_at=at - 10,
                oldest_id="d",
                due_at=at - 10,
                state="paused",
            ),
        ],
        blocked={"live": 4},
        platforms=[
            PlatformStatus(
                name="p", cap=5, calls=1, runs=2, circuit=Circuit(platform="p", open_until=at + 9)
            ),
            PlatformStatus(name="gone", cap=None, runs=1),
        ],
        dead=7,
        dead_today=2,
        unknown=3,
        held=1,
        hold_since=at,
        disk_free=10,
        disk_total=20,
        database_size=5,
        database_ahead=-0.5,
        backups=BackupStatus(folder="/b", every=60.0, newest_at=at - 121),
        certificate=UrlCertificate(
            url="https://hooks.example.com", looked_at=at, begins_at=at - 9, ends_at=at + 9
        ),
    )
