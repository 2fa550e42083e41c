"""The status of a bridge, parsed from the JSON of `status --json`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.core.circuit_state import Circuit
from bridge.core.status import (
    BackupStatus,
    ConfigStatus,
    OverdueWork,
    Overview,
    PlatformStatus,
    RouteQueue,
    RunCounts,
    RunningProcess,
    SourceStatus,
    UnresolvedDeliveries,
    UrlCertificate,
)
from bridge.services.records.json_record import expect_shape, parse_time, require_time

Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A condition that needs attention, and the next step (`do`)."""

    what: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStatus:
    """The status of a bridge as a screen shows it.

    `overview` has what the JSON has. `file`: the path of routes.yaml. `store`: the database and its
    version. `python`: the version of Python.
    """

    overview: Overview
    file: str
    store: str
    python: str
    problems: Sequence[ShownProblem]
    notes: Sequence[str]


def parse_status(shape: Shape) -> ShownStatus:
    """Return the status from its JSON. Raises `UnreadableAnswer` for another shape."""
    with expect_shape():
        return ShownStatus(
            overview=_parse_overview(shape),
            file=shape["config"]["file"],
            store=shape["database"]["version"],
            python=shape["python"],
            problems=[ShownProblem(what=one["what"], do=one["do"]) for one in shape["problems"]],
            notes=list(shape["notes"]),
        )


def _parse_overview(shape: Shape) -> Overview:
    hold = shape["hold"] or {"since": None, "reason": None}
    return Overview(
        at=require_time(shape["at"]),
        version=shape["version"],
        running_versions=(),
        is_shared=False,
        processes=[
            RunningProcess(
                pid=one["pid"],
                host=one["host"],
                role=one["role"],
                since=require_time(one["since"]),
                config_hash=one["config_hash"],
            )
            for one in shape["processes"]
        ],
        config=_parse_config(shape["config"]),
        sources=[_parse_source(one) for one in shape["sources"]],
        today_cut=shape["today_cut"],
        queue=[
            RouteQueue(
                route=one["route"],
                platform=one["platform"],
                queued=one["queued"],
                oldest_at=require_time(one["oldest_created_at"]),
                oldest_id=one["oldest_id"],
                due_at=require_time(one["due_at"]),
                state=one["state"],
            )
            for one in shape["queue"]
        ],
        blocked=shape["blocked"],
        platforms=[_parse_platform(one) for one in shape["platforms"]],
        dead=shape["dead"]["total"],
        dead_today=shape["dead"]["within_a_day"],
        unknown=shape["unknown"]["total"],
        held=shape["unknown"]["for_a_person"],
        hold_since=parse_time(hold["since"]),
        hold_reason=hold["reason"],
        counted_to=shape["counted_to"],
        data=shape["disk"]["data"],
        disk_free=shape["disk"]["free"],
        disk_total=shape["disk"]["total"],
        database_size=shape["database"]["size"],
        database_ahead=shape["database"]["clock_ahead"],
        stuck=[_parse_stuck(one) for one in shape["stuck"]],
        runs_ended={
            one["route"]: RunCounts(
                ended=one["ended_within_a_day"], failed=one["failed_within_a_day"]
            )
            for one in shape["runs"]
        },
        overdue=OverdueWork(**shape["overdue"]),
        certificate=_parse_certificate(shape["certificate"]),
        backups=_parse_backup(shape["backup"]),
    )


def _parse_config(shape: Shape) -> ConfigStatus:
    return ConfigStatus(
        hash=shape["hash"],
        since=parse_time(shape["since"]),
        error=shape["error"],
        error_since=parse_time(shape["error_since"]),
        restart=shape["restart"],
        held=shape.get("held"),  # an older bridge has none
    )


def _parse_source(shape: Shape) -> SourceStatus:
    return SourceStatus(
        name=shape["name"],
        last_at=parse_time(shape["last_event_at"]),
        today=shape["today"],
        rejected_today=shape["rejected_today"],
        is_configured=shape["configured"],
        files=shape["files"],
        files_keep=shape["files_keep"],
        stored_today=shape["stored_today"],
        daily_bytes=shape["daily_bytes"],
        refused={one["code"]: one["within_a_day"] for one in shape["refused"]},
        spam=shape["spam"],
    )


def _parse_platform(shape: Shape) -> PlatformStatus:
    """Return a platform with the parts of its circuit that are shown."""
    circuit = Circuit(
        platform=shape["name"],
        open_until=parse_time(shape["open_until"]),
        allowance=shape["allowance"],
        raise_at=parse_time(shape["full_until"]) or 0.0,
    )
    return PlatformStatus(
        name=shape["name"],
        cap=shape["max_concurrent_runs"],
        calls=shape["calls"],
        runs=shape["runs"],
        circuit=circuit,
    )


def _parse_stuck(shape: Shape) -> UnresolvedDeliveries:
    return UnresolvedDeliveries(
        platform=shape["platform"],
        kind=shape["kind"],
        count=shape["count"],
        problem=shape["problem"],
        fix=shape["fix"],
        needs_decision=shape["needs_decision"],
        since=parse_time(shape["since"]),
    )


def _parse_certificate(shape: Shape | None) -> UrlCertificate | None:
    if shape is None:
        return None
    return UrlCertificate(
        url=shape["url"],
        looked_at=require_time(shape["looked_at"]),
        ends_at=parse_time(shape["ends_at"]),
        refused=shape["refused"],
        unreached=shape["unreached"],
    )


def _parse_backup(shape: Shape | None) -> BackupStatus | None:
    if shape is None:
        return None
    return BackupStatus(
        folder=shape["folder"],
        every=shape["every"],
        newest_at=parse_time(shape["newest_at"]),
        tried_since=parse_time(shape["tried_since"]),
        error=shape["error"],
    )
