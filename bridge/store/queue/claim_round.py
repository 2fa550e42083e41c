"""Choice of the due deliveries that a worker leases next, fairly between routes.

It never exceeds the slots and the circuit of a platform, or the rate limit of a route.

One statement reads the next deliveries of several route queues. The index finds those of each
queue, however long it is. PostgreSQL uses a lateral join that locks the rows; SQLite, which has one
writer, a list of row numbers for each queue.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from bridge.core.circuit_state import Circuit
from bridge.core.clock_reading import ClockReading
from bridge.core.model import Delivery
from bridge.core.rate_limits import Limits, RateState, allowed_starts, record_starts
from bridge.delivery.circuit_breaker import count_free_slots, start_probe
from bridge.store.db.prepared import PreparedStatement, to_json_list
from bridge.store.queue import throttling
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery

_COLUMNS = ", ".join(f"delivery.{column.name}" for column in delivery.c)
_DUE = "d.status = 'queued' AND d.platform = :platform AND d.due_at <= :now"


def _on_sqlite(where: str = "") -> PreparedStatement:
    return PreparedStatement(
        text(f"""
SELECT {_COLUMNS} FROM json_each(:routes) AS lane JOIN delivery ON delivery.seq IN (
    SELECT d.seq FROM delivery AS d WHERE {_DUE} AND d.route = lane.value{where}
        ORDER BY d.due_at, d.seq LIMIT :most)
""")  # noqa: S608 - names of our own columns
    )


def _on_postgresql(where: str = "") -> PreparedStatement:
    return PreparedStatement(
        text(f"""
SELECT {_COLUMNS} FROM json_array_elements_text(CAST(:routes AS json)) AS lane (route) CROSS
    JOIN LATERAL (
    SELECT * FROM delivery AS d WHERE {_DUE} AND d.route = lane.route{where}
        ORDER BY d.due_at, d.seq LIMIT :most
    FOR UPDATE SKIP LOCKED) AS delivery
""")  # noqa: S608 - names of our own columns
    )


_STATEMENTS = {"sqlite": _on_sqlite(), "postgresql": _on_postgresql()}
_OF_FLOWS = {
    "sqlite": _on_sqlite(" AND d.saved_item_id IN (SELECT value FROM json_each(:flows))"),
    "postgresql": _on_postgresql(
        " AND d.saved_item_id = ANY(ARRAY(SELECT json_array_elements_text(CAST(:flows AS json))))"
    ),
}


def find_next_due(
    connection: Connection,
    platform: str,
    routes: Sequence[str],
    limit: int,
    now: float,
    flows: Collection[str] | None = None,
) -> dict[str, list[Any]]:
    """Return the next due rows of each of these routes, `limit` at most of each, longest wait
    first.

    `flows`: only rows for these flows. The database skips others one by one, so many of them at the
    head of a queue take time.
    """
    values = {"platform": platform, "routes": to_json_list(routes), "most": limit, "now": now}
    if flows is None:
        rows_found = _STATEMENTS[connection.dialect.name].rows(connection, **values)
    else:
        rows_found = _OF_FLOWS[connection.dialect.name].rows(
            connection, **values, flows=to_json_list(flows)
        )
    rows_by_route: dict[str, list[Any]] = defaultdict(list)
    for row in rows_found:
        rows_by_route[row.route].append(row)
    for rows in rows_by_route.values():
        rows.sort(key=lambda row: (row.due_at, row.seq))
    return rows_by_route


#: Returns the clocks at the time of the claim, by the name of a platform.
ReadClocks = Callable[[str], ClockReading]
#: Orders the routes that wait for a platform.
RouteOrder = Callable[[str, Sequence[str]], Sequence[str]]

_SLOTS = PreparedStatement(
    text(
        "SELECT platform, route, count(*) AS used FROM delivery WHERE slot GROUP BY platform, route"
    )
)
_UNKNOWN = text("SELECT count(*) FROM delivery WHERE status = 'unknown' AND route = :route")


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


class ClaimRound:
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

    def take(self, lanes: Sequence[tuple[str, str]], limit: int, order: RouteOrder) -> list[Claim]:
        """Take up to `limit` deliveries of these route queues, and return their claims."""
        claims: list[Claim] = []
        for platform, cap in self._allowed.caps.items():
            circuit = self._circuits.get(platform)
            left = min(
                count_free_slots(circuit, cap, self._used[platform], self._now), limit - len(claims)
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
            if circuit is not None and taken:
                throttling.write_circuits(
                    self._connection,
                    self._circuits,
                    {platform: start_probe(circuit, self._now)},
                    self._now,
                )
        return claims

    def _shared(self, platform: str, routes: list[str], left: int) -> list[Claim]:
        """Take up to `left` deliveries of these routes in equal shares.

        Routes that took their whole share also share what the others leave.
        """
        claims: list[Claim] = []
        while routes and left > 0:
            batch = routes[:left]
            routes = routes[left:]
            share = -(-left // len(batch))
            may = {route: room for route in batch if (room := self._room(route, share)) > 0}
            due_claims = self._next(platform, may)
            for route, allowance in may.items():
                taken = due_claims[route][: min(allowance, left)]
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
        max_rows = max(
            allowance + len(self._taken[platform, route]) for route, allowance in may.items()
        )
        due_rows = find_next_due(
            self._connection,
            platform,
            list(may),
            max_rows,
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
                for row in due_rows.get(route, ())[: allowance + len(self._taken[platform, route])]
                if row.id not in self._taken[platform, route]
            ]
            for route, allowance in may.items()
        }

    def _take_on(self, route: str, taken: Sequence[Claim]) -> None:
        for claim in taken:
            self._taken[claim.delivery.platform, route].add(claim.delivery.id)
        self._used_by[route] += len(taken)
        limits = self._allowed.limits.get(route)
        if taken and limits is not None and (limits.rate or limits.max_runs_per_day):
            self._paces[route] = record_starts(
                limits, self._paces.get(route, RateState()), len(taken), self._now
            )
            throttling.write_pace(self._connection, route, self._paces[route])
