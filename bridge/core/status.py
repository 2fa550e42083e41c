"""How a bridge is, at one moment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bridge.core.circuit_state import Circuit
from bridge.core.model import Status
from bridge.core.rate_limits import Rate

DAY: Final = 86400.0
LATELY: Final = 3600.0  # seconds in which rejects are compared with those before


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that runs: where, what it does, since when, and the hash of its configuration, null
    where only its heartbeat is known.
    """

    pid: int
    host: str
    role: str
    since: float
    config_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNow:
    """A source: its last event, and how many events and rejects it had today (UTC).

    `heard`: events in the time of `expect`, as far as that counts; `expected_since`: when it was
    first seen. `speaks_by`: when it has usually spoken again, null where that is not known or was
    not looked up; `silent_since`: since when an alert calls it silent by that.
    `rejected_lately`: rejects within `LATELY`;
    `rejected_usually`: as many as it has in such a time. `files`: bytes of files that a form has;
    `files_keep`: so many at most, null where it takes none. `stored_today`: bytes of bodies that it
    stored today (UTC); `daily_bytes`: so many at most, null without a limit.
    `is_public`: anyone may send to it. `refused`: submissions that the form refused in 24 h, by the
    code of the answer. `spam`: submissions of 24 h that it holds as spam.
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
    missing: str | None = None  # which secret is not set
    secret_doubt: str | None = None  # why a secret is most likely not that of a webhook
    refused: Mapping[str, int] = field(default_factory=dict)
    spam: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What waits of a route for a platform. `oldest_*`: the one that was planned first; `due_at`:
    when the first is, or was, due.
    """

    route: str
    platform: str
    queued: int
    oldest_at: float
    oldest_id: str
    due_at: float
    state: str = "live"  # live | paused | no platform | no flow


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformNow:
    """A platform: calls under way and runs in flight, which hold its slots, and its circuit. `cap`
    null: it is not configured.
    """

    name: str
    cap: int | None
    calls: int = 0
    runs: int = 0
    circuit: Circuit | None = None
    missing: str | None = None  # which value is not set
    credentials: str = "credentials"  # what is to be corrected where it refuses them

    @property
    def fits(self) -> int | None:
        """So many runs fit beside those of others, as it said; null where it did not say so, or all
        slots fit.
        """
        known = self.circuit.allowance if self.circuit is not None else None
        return known if known is not None and (self.cap is None or known < self.cap) else None

    @property
    def full_until(self) -> float | None:
        """When one more than fits is tried; null where nothing says that it is full."""
        return (
            max(self.circuit.raise_at, self.circuit.not_before)
            if self.circuit is not None and self.fits is not None
            else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LateStart:
    """A run that an answer told of when its delivery, of that `status` now, had gone on without it:
    nobody follows it.
    """

    delivery_id: str
    attempt: int
    run_id: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Deliveries of a platform whose outcome is unknown, and what keeps flowbridge from looking for
    their runs.

    `fix`: what a person does about it, null where it passes by itself. `needs_decision`: flowbridge
    cannot settle them. `since`: the first of the looks that failed in a row, null where none did.
    """

    platform: str
    kind: str
    count: int
    problem: str
    fix: str | None = None
    needs_decision: bool = False
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsEnded:
    """The runs of a route that ended within a day. `in_a_row`: those that failed and that no run
    followed that was done.

    `event_id`: that of the last one that failed, null where none did. `is_live`: the route is in
    routes.yaml, and live.
    """

    ended: int
    failed: int
    in_a_row: int = 0
    event_id: str | None = None
    is_live: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """What is overdue. `leases`: calls that no worker holds or took over; `looks`: runs that were
    to be looked at.

    `ahead`: times that lie further in the future than they ever may; the next heartbeat of a worker
    pulls them back.
    """

    leases: int = 0
    looks: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The last step of the store's clock: when it was (by the clock after it), and how many seconds
    it went forward.
    """

    at: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigNow:
    """The configuration that is used, and what is wrong with the files. `since` null: nothing runs
    that would say so.
    """

    hash: str | None
    since: float | None = None
    error: Sequence[str] = ()
    error_since: float | None = None
    restart: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The certificate that the public URL showed this machine at `looked_at`; `begins_at` and
    `ends_at` null: it never saw one.

    `refused`: why who checks it does not trust it. `unreached`: why none was seen the last time.
    """

    url: str
    looked_at: float
    begins_at: float | None = None
    ends_at: float | None = None
    refused: str | None = None
    unreached: str | None = None

    @property
    def host(self) -> str:
        """The host, with its port where the URL says one."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """Backups in `folder`, made by themselves `every` so many seconds; null: they are not.
    `newest_at` is null where there is none.

    `tried_since`: since when tries to make one have come to nothing; `error`: why the last of them
    that ended did.
    """

    folder: str
    every: float | None = None
    newest_at: float | None = None
    tried_since: float | None = None
    error: str | None = None

    def are_missed(self, at: float) -> bool:
        """Return whether the last try failed, or there is none as young as twice the time between
        two.
        """
        since = self.newest_at if self.newest_at is not None else self.tried_since
        return self.every is not None and (
            self.error is not None or (since is not None and at - since > 2 * self.every)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it. Counts go as far as `counted_to`; `today_cut`: there were more events today than
    were counted.

    `dead_today` died within a day, but for those that a person gave up, and were not replayed
    since; `dead_kinds` says by kind how many.
    `held`: unknown ones that wait for a person; `stuck`: unknown ones whose run is not found out
    for now, some of which are held.
    `database_ahead`: seconds.
    """

    at: float
    version: str
    running_versions: Sequence[str]
    is_shared: bool  # several machines may use the store
    processes: Sequence[Process]
    config: ConfigNow
    sources: Sequence[SourceNow]
    today_cut: bool
    queue: Sequence[Lane]
    blocked: Mapping[str, int]  # by route
    platforms: Sequence[PlatformNow]
    dead: int
    dead_today: int
    unknown: int
    held: int
    hold_since: float | None  # starts are held back
    hold_reason: str | None
    counted_to: int
    data: str
    disk_free: int | None
    disk_total: int | None
    database_size: int
    database_ahead: float | None
    dead_kinds: Mapping[str | None, int] = field(default_factory=dict)
    stuck: Sequence[Stuck] = ()
    runs_ended: Mapping[str, RunsEnded] = field(default_factory=dict)  # by route, within a day
    # seconds, by the host of a platform, where that was seen
    clocks_ahead: Mapping[str, float] = field(default_factory=dict)
    clock_step: ClockStep | None = None
    overdue: Overdue = Overdue()
    late_starts: Sequence[LateStart] = ()  # within a day, until a person acts on the delivery
    # null: the public URL is not https, or was not looked at yet
    certificate: Certificate | None = None
    backups: Backups | None = None  # null: the store has its own
    flows_error: str | None = None  # why flows.py of this machine cannot be loaded
    flows_error_since: float | None = None
    # by route, the local flow that it names and that there is not
    flows_absent: Mapping[str, str] = field(default_factory=dict)
    tells: bool = True  # a route takes alerts
