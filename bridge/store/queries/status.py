"""The status of the store, with the unknown deliveries whose run is searched for, in counts that
cost the same with a million events.

Each count walks an index of waiting rows, or stops at a bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import orjson
from sqlalchemy import Connection, TextClause, select, text

from bridge.core.circuit_state import Circuit
from bridge.core.errors import DecryptionError
from bridge.core.model import JSON, DeadKind, Status
from bridge.core.status import MAX_DEAD_TODAY, ClockStep, LateStart, OverdueWork, RouteQueue
from bridge.delivery.reconcile import select_evidence
from bridge.store import clock_steps
from bridge.store.db.database import Database, timings_of
from bridge.store.inbound import daily_bytes, daily_events, form_files, refused_submissions
from bridge.store.queries.overdue import count_overdue
from bridge.store.queries.replaced_deliveries import is_replaced
from bridge.store.queue import claims
from bridge.store.queue import hold as start_hold
from bridge.store.queue import throttling as circuits
from bridge.store.queue.heartbeats import is_alive
from bridge.store.queue.hold import Hold
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.schema import worker

MAX_READ: Final = 1000  # deliveries read, those whose run is looked for next

# The index of `poll_at` has the runs in flight besides them, but not the many that wait for a
# person; the expression keeps both databases from an index of these.
_UNRESOLVED = text("""
SELECT seq, id, platform, poll_at, attempts + throttled AS attempt, evidence FROM delivery
WHERE poll_at IS NOT NULL AND status || '' = 'unknown'
    ORDER BY poll_at LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedDelivery:
    """A delivery whose run flowbridge searches for, next at `look_at`.

    `evidence`: the result of the last search, null before the first.
    """

    id: str
    platform: str
    look_at: float
    evidence: JSON = None


def unresolved_deliveries(
    connection: Connection, limit: int = MAX_READ
) -> list[UnresolvedDelivery]:
    """Return deliveries whose run flowbridge searches for, the newest first.

    If there are more than `limit`, these are the next ones that it searches for.
    """
    sealer = sealer_of(connection)
    rows = connection.execute(_UNRESOLVED, {"most": limit}).all()
    unresolved = []
    for row in sorted(rows, key=attrgetter("seq"), reverse=True):
        evidence = None
        if row.evidence is not None:
            try:
                evidence = orjson.loads(sealer.open(row.evidence, "delivery", "evidence", row.id))
            except DecryptionError:
                evidence = None
        unresolved.append(
            UnresolvedDelivery(
                id=row.id,
                platform=row.platform,
                look_at=row.poll_at,
                evidence=select_evidence(evidence, row.attempt),
            )
        )
    return unresolved


MAX_COUNTED: Final = 100_000  # rows that are counted
MAX_DEAD_READ: Final = 5_000  # deliveries that died last, read to find those of a day
MAX_SPAM_READ: Final = 1_000  # newest spam submissions read, by source
MAX_LATE_STARTS: Final = 20  # late runs that the report lists

_STUCK = "status IN ('dead', 'unknown', 'blocked')"  # the index's very condition
_LANE = text(f"""
SELECT count(*) AS queued, min(seq) AS oldest, min(due_at) AS due_at FROM (
    SELECT seq, due_at FROM delivery WHERE status = 'queued' AND platform = :platform
        AND route = :route
    ORDER BY due_at, seq LIMIT {MAX_COUNTED}) AS waiting
""")  # noqa: S608 - a number of ours
_OLDEST = text("SELECT id, created_at FROM delivery WHERE seq = :seq")
_BLOCKED = text(
    "SELECT route, count(*) AS n FROM (SELECT route FROM delivery WHERE status = 'blocked' LIMIT"  # noqa: S608 - names of our own tables and columns
    f" {MAX_COUNTED}) AS b GROUP BY route"
)
_SLOTS = text(
    "SELECT platform, status, count(*) AS used FROM delivery WHERE slot GROUP BY platform, status"
)
_DEAD = text(
    "SELECT count(*) FROM"  # noqa: S608 - names of our own tables and columns
    f" (SELECT 1 FROM delivery WHERE {_STUCK} AND status = 'dead' LIMIT {MAX_COUNTED})"
    " AS dead"
)
_DEAD_SINCE = text(f"""
SELECT dead_kind, route, count(*) AS n, min(received_at) AS received_at FROM (
    SELECT dead_kind, route,
        (SELECT received_at FROM event WHERE event.id = dead.event_id) AS received_at FROM (
        SELECT seq, event_id, route, dead_kind, created_at FROM delivery
        WHERE status = 'dead' AND finished_at > :since
        ORDER BY finished_at DESC LIMIT {MAX_DEAD_READ}) AS dead
    WHERE coalesce(dead_kind, '') <> 'person' AND NOT {is_replaced("dead")}
    LIMIT {MAX_DEAD_TODAY}) AS kept
GROUP BY dead_kind, route
""")  # noqa: S608 - names of our own tables and columns
_SPAM = text(f"""
SELECT count(*) FROM (
    SELECT received_at FROM event WHERE source = :source AND spam IS NOT NULL
    ORDER BY seq DESC LIMIT {MAX_SPAM_READ}) AS newest
WHERE received_at > :since
""")  # noqa: S608 - a number of ours
#: Only indexes are read, and the deliveries whose runs are polled: see `unsettled` for the latter.
_UNKNOWN = text(f"""
SELECT (SELECT count(*) FROM (
    SELECT 1 FROM delivery WHERE status = 'unknown' LIMIT {MAX_COUNTED}) AS unknown) AS n,
(SELECT count(*) FROM (
    SELECT 1 FROM delivery WHERE poll_at IS NOT NULL AND status || '' = 'unknown'
    LIMIT {MAX_COUNTED}) AS sought) AS sought
""")  # noqa: S608 - names of our own tables and columns
_LATE = text(f"""
SELECT a.delivery_id, a.number, a.run_id, d.status FROM attempt AS a JOIN delivery AS d
    ON d.id = a.delivery_id
WHERE a.late_at IS NOT NULL AND a.late_at > :since AND coalesce(d.run_id, '') <> a.run_id
    ORDER BY a.late_at LIMIT {MAX_LATE_STARTS}
""")  # noqa: S608 - names of our own tables and columns
# the store has at most a hundred of each
_REJECTED = text(
    "SELECT source, count(*) AS n FROM reject WHERE received_at >= :midnight"
    " AND readmitted_at IS NULL GROUP BY source"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """The status of the store.

    `sources`: (last_at, today) by name. `slots`: (calls, runs) by platform. `files`: bytes of files
    by source. `stored_today`: bytes of bodies. `died`: deliveries that died within a day, by
    kind and route; `died_received_at`: when the oldest event of them was received. `refused`:
    submissions that a form refused in 24 h, by code. `spam`: submissions marked as spam in 24 h, by
    source, at most `MAX_SPAM_READ`.
    """

    workers: list[tuple[int, str, float]]
    sources: Mapping[str, tuple[float | None, int]]
    today_cut: bool
    rejected: Mapping[str, int]
    queue: list[RouteQueue]
    blocked: Mapping[str, int]
    slots: Mapping[str, tuple[int, int]]
    circuits: Mapping[str, Circuit]
    dead: int
    died: Mapping[tuple[str | None, str], int]
    died_received_at: float | None
    unknown: int
    held: int
    unsettled: list[UnresolvedDelivery]
    late_starts: list[LateStart]
    hold: Hold | None
    clock_step: ClockStep | None
    overdue: OverdueWork
    files: Mapping[str, int]
    stored_today: Mapping[str, int]
    refused: Mapping[str, Mapping[str, int]]
    spam: Mapping[str, int]

    @property
    def dead_today(self) -> int:
        """Return how many deliveries died within a day."""
        return sum(self.died.values())

    @property
    def dead_kinds(self) -> Mapping[str | None, int]:
        """Return the numbers of `died` by kind."""
        kinds: Counter[str | None] = Counter()
        for (kind, _route), count in self.died.items():
            kinds[kind] += count
        return dict(kinds)

    @property
    def parked_routes(self) -> Sequence[str]:
        """Return the routes of parked deliveries of `died`, that with the most first."""
        counts = {route: n for (kind, route), n in self.died.items() if kind == DeadKind.OURS}
        return sorted(counts, key=lambda route: (-counts[route], route))


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """Waiting deliveries by route, and what is in flight: (calls, runs) by platform."""

    queue: list[RouteQueue]
    blocked: Mapping[str, int]
    slots: Mapping[str, tuple[int, int]]
    unknown: int
    held: int


def read_waiting(connection: Connection) -> WaitingWork:
    """Return the waiting deliveries and what is in flight."""
    unknown = connection.execute(_UNKNOWN).one()
    return WaitingWork(
        queue=[
            _lane(connection, platform, route)
            for platform, route in claims.list_route_queues(connection)
        ],
        blocked={row.route: row.n for row in connection.execute(_BLOCKED)},
        slots=_slots(connection),
        unknown=unknown.n,
        held=max(unknown.n - unknown.sought, 0),
    )


def read_status(
    database: Database, sources: Iterable[str], now: float, *, midnight: float, day: float
) -> StoreStatus:
    """Return the status of the store.

    `sources`: sources to include even if their last event is old. `now`: the database's time.
    """
    with database.read() as connection:
        died = connection.execute(_DEAD_SINCE, {"since": now - day}).all()
        totals, cut = daily_events.read_sources(connection, set(sources), midnight, now)
        waiting = read_waiting(connection)
        alive = select(worker.c.pid, worker.c.host, worker.c.started_at).where(
            is_alive(now, timings_of(connection))
        )
        return StoreStatus(
            workers=[tuple(row) for row in connection.execute(alive.order_by(worker.c.started_at))],
            sources=totals,
            today_cut=cut,
            rejected={
                row.source: row.n for row in connection.execute(_REJECTED, {"midnight": midnight})
            },
            queue=waiting.queue,
            blocked=waiting.blocked,
            slots=waiting.slots,
            circuits=circuits.read_circuits(connection),
            dead=_count(connection, _DEAD),
            died={(row.dead_kind, row.route): row.n for row in died},
            died_received_at=min((row.received_at for row in died), default=None),
            unknown=waiting.unknown,
            held=waiting.held,
            unsettled=unresolved_deliveries(connection),
            late_starts=_late(connection, now - day),
            hold=start_hold.read_hold(connection),
            clock_step=clock_steps.last_step(connection),
            overdue=count_overdue(connection, now),
            files=form_files.stored_bytes(connection),
            stored_today=daily_bytes.stored_today(connection, now),
            refused=refused_submissions.within_a_day(connection, now),
            spam={
                name: _count(connection, _SPAM, source=name, since=now - day)
                for name, (last_at, _) in totals.items()
                if last_at is not None and last_at > now - day
            },
        )


def database_size(database: Database) -> int:
    """Return the size of the database in bytes."""
    if database.is_sqlite:
        paths = [database.path.with_name(database.path.name + end) for end in ("", "-wal")]
        return sum(path.stat().st_size for path in paths if path.exists())
    with database.read() as connection:
        size: int = connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    return size


def _count(connection: Connection, query: TextClause, **values: Any) -> int:
    return connection.execute(query, values).scalar() or 0


def _late(connection: Connection, since: float) -> list[LateStart]:
    rows = connection.execute(_LATE, {"since": since})
    return [
        LateStart(delivery_id=of, attempt=number, run_id=run_id, status=Status(status))
        for of, number, run_id, status in rows
    ]


def _lane(connection: Connection, platform: str, route: str) -> RouteQueue:
    lane = connection.execute(_LANE, {"platform": platform, "route": route}).one()
    oldest = connection.execute(_OLDEST, {"seq": lane.oldest}).one()
    return RouteQueue(
        route=route,
        platform=platform,
        queued=lane.queued,
        due_at=lane.due_at,
        oldest_at=oldest.created_at,
        oldest_id=oldest.id,
    )


def _slots(connection: Connection) -> dict[str, tuple[int, int]]:
    slots: dict[str, tuple[int, int]] = {}
    for row in connection.execute(_SLOTS):
        calls, runs = slots.get(row.platform, (0, 0))
        is_call = row.status == "sending"
        slots[row.platform] = calls + is_call * row.used, runs + (not is_call) * row.used
    return slots
