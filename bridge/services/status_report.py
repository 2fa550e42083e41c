"""The status of a bridge: the store, the processes and the machine, as a record and JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bridge.core.times import iso
from bridge.monitoring.conditions import HealthProblem, find_notes, find_problems
from bridge.monitoring.refused_submissions import find_next_step
from bridge.monitoring.status import read_overview

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.status import Overview, PlatformStatus, RouteQueue, SourceStatus
    from bridge.store.db.database import Database


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The overview of a bridge. `store`: the database and its version. `found`: the conditions that
    need attention. `python`: the version of Python. `file`: the path of routes.yaml.
    """

    overview: Overview
    store: str
    found: Sequence[HealthProblem]
    python: str
    file: str

    def problems_as_json(self) -> list[dict[str, str]]:
        """Return the conditions that need attention, each with the next step."""
        return [
            {"key": one.key, "severity": one.severity, "what": one.what, "do": one.do}
            for one in self.found
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the report in the shape of `status --json`."""
        now = self.overview
        head = {
            "ok": not self.found,
            "problems": self.problems_as_json(),
            "notes": find_notes(now),
            "at": iso(now.at),
            "version": now.version,
            "python": self.python,
        }
        return head | _running(now, self.store, self.file) | _stored(now) | _machine(now)


def read_status(
    settings: Settings, database: Database | None, overview: Overview | None = None
) -> StatusReport:
    """Return the status of the bridge, from its store and the processes of this machine.

    Neither a store nor a running process is required. `overview`: one that was read shortly before.
    """
    from bridge.store.operations import checkup

    store = "no database yet"
    if database is not None:
        with database.read() as connection:
            store = checkup.read_version(connection, database)
    now = overview or read_overview(settings, database)
    file = str(settings.config.absolute())
    return StatusReport(now, store, find_problems(now), platform.python_version(), file)


def _running(now: Overview, store: str, file: str) -> dict[str, Any]:
    return {
        "database": {
            "version": store,
            "size": now.database_size,
            "clock_ahead": now.database_ahead,
        },
        "config": {
            "hash": now.config.hash,
            "since": iso(now.config.since),
            "error": list(now.config.error),
            "error_since": iso(now.config.error_since),
            "restart": list(now.config.restart),
            "file": file,
            "held": now.config.held,
        },
        "processes": [
            {
                "pid": one.pid,
                "host": one.host,
                "role": one.role,
                "since": iso(one.since),
                "config_hash": one.config_hash,
            }
            for one in now.processes
        ],
    }


def _stored(now: Overview) -> dict[str, Any]:
    return {
        "sources": [source_json(one) for one in now.sources],
        "today_cut": now.today_cut,
        "queue": [queue_json(one) for one in now.queue],
        "blocked": dict(now.blocked),
        "platforms": [platform_json(one, now.at) for one in now.platforms],
        "runs": [
            {"route": route, "ended_within_a_day": one.ended, "failed_within_a_day": one.failed}
            for route, one in sorted(now.runs_ended.items())
        ],
        "dead": {"total": now.dead, "within_a_day": now.dead_today},
        "unknown": {"total": now.unknown, "for_a_person": now.held},
        "stuck": [asdict(one) | {"since": iso(one.since)} for one in now.stuck],
        "overdue": {
            "leases": now.overdue.leases,
            "looks": now.overdue.looks,
            "ahead": now.overdue.ahead,
        },
        "hold": (
            None
            if now.hold_since is None
            else {"since": iso(now.hold_since), "reason": now.hold_reason}
        ),
        "counted_to": now.counted_to,
    }


def _machine(now: Overview) -> dict[str, Any]:
    return {
        "clock_step": (
            None
            if now.clock_step is None
            else {"at": iso(now.clock_step.at), "seconds": round(now.clock_step.seconds, 3)}
        ),
        "disk": {"data": now.data, "free": now.disk_free, "total": now.disk_total},
        "backup": (
            None
            if now.backups is None
            else {
                "folder": now.backups.folder,
                "every": now.backups.every,
                "newest_at": iso(now.backups.newest_at),
                "tried_since": iso(now.backups.tried_since),
                "error": now.backups.error,
            }
        ),
        "certificate": (
            None
            if now.certificate is None
            else {
                "url": now.certificate.url,
                "ends_at": iso(now.certificate.ends_at),
                "looked_at": iso(now.certificate.looked_at),
                "refused": now.certificate.refused,
                "unreached": now.certificate.unreached,
            }
        ),
    }


def source_json(one: SourceStatus) -> dict[str, Any]:
    """Return the status of a source."""
    return {
        "name": one.name,
        "configured": one.is_configured,
        "last_event_at": iso(one.last_at),
        "today": one.today,
        "rejected_today": one.rejected_today,
        "files": one.files,
        "files_keep": one.files_keep,
        "stored_today": one.stored_today,
        "daily_bytes": one.daily_bytes,
        "refused": _refusals(one),
        "spam": one.spam,
    }


def queue_json(one: RouteQueue) -> dict[str, Any]:
    """Return the waiting deliveries of a route for a platform."""
    return {
        "route": one.route,
        "platform": one.platform,
        "queued": one.queued,
        "oldest_id": one.oldest_id,
        "oldest_created_at": iso(one.oldest_at),
        "due_at": iso(one.due_at),
        "state": one.state,
    }


def platform_json(one: PlatformStatus, at: float) -> dict[str, Any]:
    """Return the status of a platform at a time."""
    return {
        "name": one.name,
        "max_concurrent_runs": one.cap,
        "calls": one.calls,
        "runs": one.runs,
        "circuit": one.circuit.state(at) if one.circuit else "closed",
        "open_until": iso(one.circuit.open_until) if one.circuit else None,
        "allowance": one.circuit.allowance if one.circuit else None,
        "full_until": iso(one.full_until),
    }


def _refusals(source: SourceStatus) -> list[dict[str, Any]]:
    """Return the refused submissions of a source as JSON, the most frequent code first."""
    return [
        {"code": code, "within_a_day": count, "do": find_next_step(code)}
        for code, count in source.refused.items()
    ]
