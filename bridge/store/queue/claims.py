"""Claims: lease due deliveries to a worker, fairly between routes.

A claim never exceeds the slots and the circuit of a platform, or the rate limit of a route.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, text, update

from bridge.core.circuit_state import Circuit
from bridge.core.clock_reading import ClockReading
from bridge.core.model import Delivery, Status
from bridge.core.rate_limits import Limits, RateState, allowed_starts, record_starts
from bridge.delivery.circuit_breaker import count_free_slots, start_probe
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import timings_of
from bridge.store.db.prepared import InJsonList, PreparedStatement, send_together
from bridge.store.queue import throttling
from bridge.store.queue.heads import find_next_due
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery

ReadClocks = Callable[[str], ClockReading]  # by platform, the clocks at the time of the claim
RouteOrder = Callable[
    [str, Sequence[str]], Sequence[str]
]  # orders the routes that wait for a platform

_ROUTE_QUEUES = PreparedStatement(
    text("""
WITH RECURSIVE busy(platform) AS (
    SELECT (SELECT min(platform) FROM delivery WHERE status = 'queued')
    UNION ALL
    SELECT (SELECT min(platform) FROM delivery WHERE status = 'queued' AND platform > busy.platform)
        FROM busy
    WHERE busy.platform IS NOT NULL
), lane(platform, route) AS (
    SELECT busy.platform, (SELECT min(route) FROM delivery WHERE status = 'queued'
        AND platform = busy.platform) FROM busy
    WHERE busy.platform IS NOT NULL
    UNION ALL
    SELECT lane.platform, (SELECT min(route) FROM delivery WHERE status = 'queued'
        AND platform = lane.platform AND route > lane.route)
    FROM lane WHERE lane.route IS NOT NULL
)
SELECT platform, route FROM lane WHERE route IS NOT NULL
""")
)  # jumps between route queues in the index: its cost is the number of queues, not of deliveries

_SLOTS = PreparedStatement(
    text(
        "SELECT platform, route, count(*) AS used FROM delivery WHERE slot GROUP BY platform, route"
    )
)
_DUE = PreparedStatement(
    text(
        "SELECT EXISTS (SELECT 1 FROM delivery WHERE status = 'queued' AND due_at <= :now)"
        " OR EXISTS (SELECT 1 FROM delivery WHERE poll_at IS NOT NULL AND poll_at <= :now)"
        " AS due"
    )
)  # an idle worker runs it five times a second, a busy one after every turn
_UNKNOWN = text("SELECT count(*) FROM delivery WHERE status = 'unknown' AND route = :route")
_LEASE = PreparedStatement(
    update(delivery)
    # Literal SQL: SQLite compares a parameter with the conditions of partial indexes, and so
    # prepares the statement again each time that it is bound.
    .where(InJsonList(delivery.c.id, "ids"), text("delivery.status = 'queued'"))
    .values(
        status=Status.SENDING.value,
        lease=bindparam("lease"),
        lease_until=bindparam("lease_until"),
        slot=True,
        reason=None,
        debounce_until=None,
    )
)
_INTENTS = {
    dialect: PreparedStatement(
        text(f"""
INSERT INTO attempt (delivery_id, number, started_at, boot_clock, boot_id, host, platform_at)
SELECT id.value, CAST(:number AS integer), CAST(:started_at AS double precision),
    CAST(:boot_clock AS double precision), CAST(:boot_id AS text), CAST(:host AS text),
    CAST(:platform_at AS double precision)
FROM {ids}
""")  # noqa: S608 - functions of the dialects
    )
    for dialect, ids in (
        ("sqlite", "json_each(:ids) AS id"),
        ("postgresql", "json_array_elements_text(CAST(:ids AS json)) AS id (value)"),
    )
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery leased to a worker, and the number of its attempt.

    `clocks`: the clocks at `began_at`, when the attempt began.
    """

    delivery: Delivery
    attempt: int
    lease: str
    began_at: float
    clocks: ClockReading | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLimits:
    """The limits that the current configuration sets for a claim.

    `caps`: slots by platform; deliveries for other platforms wait. `limits`: by route. `absent`:
    (platform, route) of routes whose flows the platform does not have. `flows`: the flows of a
    platform; a delivery for another flow waits, whatever its route names now. A platform that is
    not in `flows` accepts any flow.
    """

    caps: Mapping[str, int]
    limits: Mapping[str, Limits] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    absent: frozenset[tuple[str, str]] = frozenset()
    flows: Mapping[str, Collection[str]] = field(default_factory=dict)


def lease_until(connection: Connection, now: float) -> float:
    """Return the end of a lease that a worker takes or extends now."""
    return now + timings_of(connection).lease_seconds


def list_route_queues(connection: Connection) -> list[tuple[str, str]]:
    """Return (platform, route) of every route queue that has a queued delivery."""
    return [(row.platform, row.route) for row in _ROUTE_QUEUES.rows(connection)]


def claim(
    connection: Connection,
    allowed: ClaimLimits,
    *,
    most: int,
    now: float,
    lease: str,
    order: RouteOrder = lambda _, routes: routes,
    intents: bool = True,
    clocks: ReadClocks | None = None,
) -> list[Claim]:
    """Lease up to `most` due deliveries and write the intent of an attempt for each.

    `order` sorts the routes of a platform. `clocks` reads the clocks that an intent stores. Without
    `intents`, `leases.begin_attempt` writes each intent later.
    """
    take_lock(connection, Lock.COUNT_SLOTS)
    waiting = list_route_queues(connection)
    if not waiting:
        return []
    claims = _ClaimRound(connection, allowed, now, lease, clocks).take(waiting, most, order)
    if not claims:
        return []
    with send_together(connection):
        values = {"lease": lease, "lease_until": lease_until(connection, now)}
        _LEASE.change_alike(connection, [(each.delivery.id, values) for each in claims])
        if intents:
            write_intents(connection, claims)
    return claims


def write_intents(connection: Connection, claims: Sequence[Claim]) -> None:
    """Write the intents of attempts: each is on disk before its call is made."""
    _INTENTS[connection.dialect.name].change_alike(
        connection, [(each.delivery.id, _intent_values(each)) for each in claims]
    )


def _intent_values(claim: Claim) -> dict[str, Any]:
    clocks = claim.clocks or ClockReading(at=claim.began_at)
    return {
        "number": claim.attempt,
        "started_at": claim.began_at,
        "boot_clock": clocks.boot_clock,
        "boot_id": clocks.boot_id,
        "host": clocks.host,
        "platform_at": clocks.platform_at,
    }


class _ClaimRound:
    """The state of one claim: what it has taken, and what the limits still allow."""

    def __init__(
        self,
        connection: Connection,
        allowed: ClaimLimits,
        now: float,
        lease: str,
        clocks: ReadClocks | None,
    ) -> None:
        self._connection = connection
        self._allowed = allowed
        self._now = now
        self._lease = lease
        self._read_clocks = clocks
        self._circuits: Mapping[str, Circuit] = throttling.read_circuits(connection)
        self._paces = throttling.read_paces(connection, allowed.limits) if allowed.limits else {}
        self._taken: defaultdict[tuple[str, str], set[str]] = defaultdict(
            set
        )  # ids, by route queue
        self._used: Counter[str] = Counter()  # by platform
        self._used_by: Counter[str] = Counter()  # by route
        for row in _SLOTS.rows(connection):
            self._used[row.platform] += row.used
            self._used_by[row.route] += row.used

    def take(self, lanes: Sequence[tuple[str, str]], most: int, order: RouteOrder) -> list[Claim]:
        claims: list[Claim] = []
        for platform, cap in self._allowed.caps.items():
            known = self._circuits.get(platform)
            left = min(
                count_free_slots(known, cap, self._used[platform], self._now), most - len(claims)
            )
            allowed = self._allowed
            routes = [
                route
                for of, route in lanes
                if of == platform
                and route not in allowed.paused
                and (of, route) not in allowed.absent
            ]
            taken = self._shared(platform, list(order(platform, routes)), left) if routes else []
            claims += taken
            if known is not None and taken:
                throttling.write_circuits(
                    self._connection,
                    self._circuits,
                    {platform: start_probe(known, self._now)},
                    self._now,
                )
        return claims

    def _shared(self, platform: str, routes: list[str], left: int) -> list[Claim]:
        """Take up to `left` deliveries of these routes in equal shares.

        Routes that took their whole share also share what the others leave.
        """
        claims: list[Claim] = []
        while routes and left > 0:
            asked = routes[:left]
            routes = routes[left:]
            share = -(-left // len(asked))
            may = {route: most for route in asked if (most := self._room(route, share)) > 0}
            found = self._next(platform, may)
            for route, most in may.items():
                taken = found[route][: min(most, left)]
                self._take_on(route, taken)
                claims += taken
                left -= len(taken)
                routes += [route] if len(taken) == share else []
        return claims

    def _room(self, route: str, share: int) -> int:
        """Return how many deliveries of a route the limits allow, within its share."""
        limits = self._allowed.limits.get(route)
        if limits is None:
            return share
        if limits.max_concurrent_runs is not None:
            unknown = self._connection.execute(_UNKNOWN, {"route": route}).scalar() or 0
            share = min(share, limits.max_concurrent_runs - self._used_by[route] - unknown)
        paced = allowed_starts(limits, self._paces.get(route, RateState()), self._now)
        return share if paced is None else min(share, paced)

    def _next(self, platform: str, may: Mapping[str, int]) -> dict[str, list[Claim]]:
        """Find the next due deliveries of each of these routes that are not taken yet."""
        if not may:
            return {}
        most = max(most + len(self._taken[platform, route]) for route, most in may.items())
        found = find_next_due(
            self._connection,
            platform,
            list(may),
            most,
            self._now,
            self._allowed.flows.get(platform),
        )
        sealer = sealer_of(self._connection)
        clocks = self._read_clocks(platform) if self._read_clocks else None
        return {
            route: [
                Claim(
                    to_delivery(row, sealer),
                    row.attempts + row.throttled + 1,
                    self._lease,
                    self._now,
                    clocks,
                )
                for row in found.get(route, ())[: most + len(self._taken[platform, route])]
                if row.id not in self._taken[platform, route]
            ]
            for route, most in may.items()
        }

    def _take_on(self, route: str, taken: Sequence[Claim]) -> None:
        for each in taken:
            self._taken[each.delivery.platform, route].add(each.delivery.id)
        self._used_by[route] += len(taken)
        limits = self._allowed.limits.get(route)
        if taken and limits is not None and (limits.rate or limits.max_runs_per_day):
            self._paces[route] = record_starts(
                limits, self._paces.get(route, RateState()), len(taken), self._now
            )
            throttling.write_pace(self._connection, route, self._paces[route])


def is_work_due(connection: Connection, now: float) -> bool:
    """Return whether a turn would find work. Reads only: an idle worker takes no write lock."""
    return bool(_DUE.value(connection, now=now))
