"""Records of the status of a bridge at one moment. Pure.

The kind of a word such as `dead` or `queued` decides its colour in the terminal, and its colour and
symbol in the console.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from bridge.core.advice import Advice
from bridge.core.circuit_state import Circuit
from bridge.core.model import JSON, RunState, Status
from bridge.core.rate_limits import Rate


class OutcomeKind(StrEnum):
    """Outcomes of an attempt."""

    STARTED = "started"
    REFUSED = "refused"  #: it certainly did not start, and a retry may help
    #: it certainly did not start because the platform is full; spends no attempt
    THROTTLED = "throttled"
    #: it certainly did not start because the platform refused our credentials; spends no attempt
    UNAUTHORIZED = "unauthorized"
    REJECTED = "rejected"  #: it certainly did not start, and a retry cannot help
    UNKNOWN = "unknown"  #: it may have started


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A platform's parsed answer to a start.

    `run_id` and `run_url` are set only where the flow started and the platform has runs. `ours`:
    the bridge itself ended the call, so the outcome says nothing about the platform. `made`:
    whether a call was made; else no attempt is spent. `saved_item_id`: the flow that the platform
    names as started, if it names one. `held`: only a person can find out whether a run started, so
    the bridge neither repeats the start nor searches for its run.
    """

    kind: OutcomeKind
    detail: str = ""
    run_id: str | None = None
    run_url: str | None = None
    retry_after: float | None = None
    status_code: int | None = None
    ours: bool = False
    made: bool = True
    saved_item_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A platform's parsed answer to a poll of a run. `state` is null where `detail` says why."""

    state: RunState | None
    raw_state: str | None = None
    outputs: JSON = None
    log: tuple[str, ...] = ()
    created_at: float | None = None
    finished_at: float | None = None
    detail: str = ""
    gone: bool = False  #: the platform says that it has no such run


#: Kinds from the most urgent, with their words.
STATUS_KINDS: Final = {
    "bad": (
        *("dead", "failed", "terminated", "rejected", "unauthorized"),
        *("critical", "error", "open", "401"),
    ),
    "warn": (
        *("unknown", "blocked", "throttled", "refused", "spam", "paused"),
        *("warning", "problem", "waits", "proposed", "stopped"),
    ),
    "busy": ("queued", "sending", "running", "progress", "waiting"),
    "ok": ("delivered", "done", "ok", "started", "live", "closed", "matches"),
    "off": ("cancelled", "shadow", "none", "no", "expired", "configured", "left"),
}
_KIND_OF: Final = {word: kind for kind, words in STATUS_KINDS.items() for word in words}


def find_kind(text: str) -> str | None:
    """Return the most urgent kind of the words in a status such as `delivered, failed`."""
    kinds = {_KIND_OF.get(word) for word in re.split(r"[^a-z0-9]+", text)}
    return next((kind for kind in STATUS_KINDS if kind in kinds), None)


RECENT_REJECTS_SECONDS: Final = 3600.0  # of rejects that are compared with earlier ones
MAX_DEAD_TODAY: Final = 1_000  # up to which the deliveries that died within a day are counted
#: Roles of processes, as people read them.
ROLE_NAMES: Final = {
    "console": "console",
    "reload": "config",
    "web": "receiver",
    "work": "worker",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProcess:
    """A running process: host, role, start, and the hash of its configuration.

    The hash is null if only its heartbeat is known.
    """

    pid: int
    host: str
    role: str
    since: float
    config_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """Status of a source: its last event, and its events and rejects of today (UTC).

    `heard`: events within the time of `expect`, as far as that counts; `expected_since`: when the
    source was first seen. `speaks_by`: when its next event is due by its baseline, null if unknown
    or not looked up; `rejected_today`: rejects of today (UTC) that were not readmitted;
    `silent_since`: since when an alert reports it as silent by that baseline.
    `rejected_lately`: rejects within the last hour; `rejected_usually`: their usual number in an
    hour. `files`: bytes of a form's stored files; `files_keep`: their limit, null if it takes none.
    `stored_today`: bytes of bodies stored today (UTC); `daily_bytes`: their limit, null without
    one. `is_public`: requests need no secret. `refused`: submissions that the form refused in 24 h,
    by the code of the response. `spam`: submissions of 24 h that are marked as spam.
    """

    name: str
    last_at: float | None = None
    today: int = 0
    rejected_today: int = 0
    is_configured: bool = True
    expect: Rate | None = None
    heard: int = 0
    expected_since: float | None = None
    speaks_by: float | None = None
    silent_since: float | None = None
    rejected_lately: int = 0
    rejected_usually: float = 0.0
    files: int = 0
    files_keep: int | None = None
    stored_today: int = 0
    daily_bytes: int | None = None
    is_public: bool = False
    missing: str | None = None  # the secret that is not set
    secret_doubt: str | None = None  # why a secret is probably not a webhook secret
    refused: Mapping[str, int] = field(default_factory=dict)
    spam: int = 0


class IdleKind(StrEnum):
    """Why the deliveries of a route start nothing of use."""

    PAUSED = "paused"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRoute:
    """A route that is paused, or that starts the placeholder `flow` of an import."""

    route: str
    kind: IdleKind
    flow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteQueue:
    """Waiting deliveries of a route for a platform.

    `oldest_*` describe the delivery that was planned first; `due_at`: when the first is or was due.
    """

    route: str
    platform: str
    queued: int
    oldest_at: float
    oldest_id: str
    due_at: float
    state: str = "live"  # live | paused | no platform | no flow


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStatus:
    """Status of a platform: calls and runs in flight, which hold its slots, and its circuit.

    `cap` is null if the platform is not configured.
    """

    name: str
    cap: int | None
    calls: int = 0
    runs: int = 0
    circuit: Circuit | None = None
    missing: str | None = None  # the value that is not set
    credentials: str = "credentials"  # what to correct if it refuses them

    @property
    def fits(self) -> int | None:
        """How many runs fit beside those of others; null if unknown, or if all slots fit.

        The number follows from the platform's own answers.
        """
        allowance = self.circuit.allowance if self.circuit is not None else None
        return (
            allowance
            if allowance is not None and (self.cap is None or allowance < self.cap)
            else None
        )

    @property
    def full_until(self) -> float | None:
        """When one more run is tried; null if the platform is not known to be full."""
        return (
            max(self.circuit.raise_at, self.circuit.not_before)
            if self.circuit is not None and self.fits is not None
            else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LateStart:
    """A run that a late answer named, after its delivery had gone on without it.

    The bridge does not track such a run. `status` is the present status of the delivery.
    """

    delivery_id: str
    attempt: int
    run_id: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedDeliveries:
    """Unknown deliveries of a platform whose runs flowbridge cannot search for, and the reason.

    `fix`: what a person has to do, null if nothing. `needs_decision`: flowbridge cannot resolve
    them. `since`: the first of the consecutive failed searches, null if none failed.
    """

    platform: str
    kind: str
    count: int
    problem: str
    fix: Advice | None = None
    needs_decision: bool = False
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Runs of a route that ended within a day.

    `in_a_row`: failed runs since the last one that was done. `event_id`: the event of the last
    failed run, null if none failed. `received_at`: when the oldest event of the failed runs was
    received. `is_live`: the route is in routes.yaml, and live.
    """

    ended: int
    failed: int
    in_a_row: int = 0
    event_id: str | None = None
    received_at: float | None = None
    is_live: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueWork:
    """Overdue work. `leases`: calls without a live worker; `looks`: runs that are due for a poll.

    `ahead`: times further in the future than they ever may be; the next heartbeat of a worker moves
    them back.
    """

    leases: int = 0
    looks: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The last step of the store's clock: its time (by the clock after it), and seconds forward."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigStatus:
    """The active configuration, and the errors in its files.

    `since` is null if no process runs. `held`: why the files are valid and not used.
    """

    hash: str | None
    since: float | None = None
    error: Sequence[str] = ()
    error_since: float | None = None
    restart: Sequence[str] = ()
    held: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCertificate:
    """The certificate of the public URL, as this machine saw it at `looked_at`.

    `begins_at` and `ends_at` are null if it never saw one. `refused`: why clients do not trust it.
    `unreached`: why the last check saw none.
    """

    url: str
    looked_at: float
    begins_at: float | None = None
    ends_at: float | None = None
    refused: str | None = None
    unreached: str | None = None

    @property
    def host(self) -> str:
        """The host, with the port if the URL has one."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupStatus:
    """Backups in `folder`. `every`: seconds between automatic backups, null if there are none.

    `newest_at` is null without a backup. `tried_since`: since when every backup has failed;
    `error`: the error of the last one that ended.
    """

    folder: str
    every: float | None = None
    newest_at: float | None = None
    tried_since: float | None = None
    error: str | None = None

    def are_missed(self, at: float) -> bool:
        """Return whether the last backup failed, or is older than two intervals."""
        since = self.newest_at if self.newest_at is not None else self.tried_since
        return self.every is not None and (
            self.error is not None or (since is not None and at - since > 2 * self.every)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Status of the whole bridge.

    Counts go up to `counted_to`; `today_cut`: there were more events today than were counted.
    `dead_today`: deliveries that died within a day, were not given up by a person and not replayed,
    up to `MAX_DEAD_TODAY`; `dead_kinds` counts them by kind, `parked_routes` are the routes of
    those that were parked and are configured, that with the most first; `dead_received_at`: when
    the oldest event of them was received. `held`: unknown deliveries
    that wait for a person; `stuck`: unknown deliveries that cannot be resolved for now, some of
    which are held. `database_ahead`: seconds.
    """

    at: float
    version: str
    running_versions: Sequence[str]
    is_shared: bool  # several machines may use the store
    processes: Sequence[RunningProcess]
    config: ConfigStatus
    sources: Sequence[SourceStatus]
    today_cut: bool
    queue: Sequence[RouteQueue]
    blocked: Mapping[str, int]  # by route
    platforms: Sequence[PlatformStatus]
    dead: int
    dead_today: int
    unknown: int
    held: int
    hold_since: float | None  # since when starts are paused
    hold_reason: str | None
    counted_to: int
    data: str
    disk_free: int | None
    disk_total: int | None
    database_size: int
    database_ahead: float | None
    dead_kinds: Mapping[str | None, int] = field(default_factory=dict)
    dead_received_at: float | None = None
    parked_routes: Sequence[str] = ()
    idle_routes: Sequence[IdleRoute] = ()
    stuck: Sequence[UnresolvedDeliveries] = ()
    runs_ended: Mapping[str, RunCounts] = field(default_factory=dict)  # by route, within a day
    # seconds, by the host of a platform
    clocks_ahead: Mapping[str, float] = field(default_factory=dict)
    clock_step: ClockStep | None = None
    overdue: OverdueWork = OverdueWork()
    late_starts: Sequence[LateStart] = ()  # within a day, until a person acts on the delivery
    # null: the public URL is not https, or was not checked yet
    certificate: UrlCertificate | None = None
    backups: BackupStatus | None = None  # null: the store makes its own backups
    flows_error: str | None = None  # why this machine's flows.py cannot be loaded
    flows_error_since: float | None = None
    # by route, the missing local flow that it names
    flows_absent: Mapping[str, str] = field(default_factory=dict)
    # by PLATFORM/FLOW, how its inputs changed since flows.lock
    flow_changes: Mapping[str, str] = field(default_factory=dict)
    tells: bool = True  # a route subscribes to alerts
