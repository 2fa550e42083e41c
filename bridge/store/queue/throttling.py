"""Circuits of platforms and rate limit state of routes, shared by all workers.

Rows are read and written in the transaction that counts slots, so they are exact with any number of
workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, insert, select, update

from bridge.core.circuit_state import Circuit
from bridge.core.rate_limits import RateState
from bridge.delivery.circuit_breaker import try_credentials
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.prepared import PreparedStatement
from bridge.store.tables.schema import circuit, pace

CIRCUIT_COLUMNS = (
    "platform",
    "failures",
    "open_for",
    "open_until",
    "probe_until",
    "allowance",
    "raise_at",
    "raise_for",
    "not_before",
    "retry_after",
    "reason",
)
PACE_COLUMNS = ("next_at", "start_interval", "day", "starts")
_KNOWN = PreparedStatement(select(*(circuit.c[name] for name in CIRCUIT_COLUMNS)))


def read_circuits(connection: Connection) -> dict[str, Circuit]:
    """Return the circuits by platform; a healthy platform has none."""
    return {row.platform: Circuit(**row._asdict()) for row in _KNOWN.rows(connection)}


def write_circuits(
    connection: Connection,
    before: Mapping[str, Circuit],
    after: Mapping[str, Circuit | None],
    now: float,
) -> None:
    """Store the circuits that changed; null deletes one."""
    for name, breaker in after.items():
        if breaker == before.get(name):
            continue
        connection.execute(delete(circuit).where(circuit.c.platform == name))
        if breaker is not None:
            connection.execute(
                insert(circuit).values(
                    **{column: getattr(breaker, column) for column in CIRCUIT_COLUMNS},
                    changed_at=now,
                )
            )


def try_all_credentials(connection: Connection, now: float) -> None:
    """Allow one start to each platform that refused the credentials: the configuration may have new
    ones.
    """
    if not any(breaker.is_unauthorized for breaker in read_circuits(connection).values()):
        return
    take_lock(connection, Lock.COUNT_SLOTS)
    before = read_circuits(connection)
    write_circuits(
        connection,
        before,
        {name: try_credentials(breaker, now) for name, breaker in before.items()},
        now,
    )


def read_paces(connection: Connection, routes: Iterable[str]) -> dict[str, RateState]:
    """Return the rate limit state of each of these routes that has one."""
    query = select(pace).where(pace.c.route.in_(list(routes)))
    return {
        row.route: RateState(**{name: getattr(row, name) for name in PACE_COLUMNS})
        for row in connection.execute(query)
    }


def write_pace(connection: Connection, route: str, state: RateState) -> None:
    """Store the rate limit state of a route."""
    values = {name: getattr(state, name) for name in PACE_COLUMNS}
    if connection.execute(update(pace).where(pace.c.route == route).values(values)).rowcount == 0:
        connection.execute(insert(pace).values(route=route, **values))


def return_starts(connection: Connection, route: str, day: int, starts: int = 1) -> None:
    """Subtract starts without a run from a route's day.

    Takes the lock of slot counts first, as a claim does: both change rate limit state.
    """
    take_lock(connection, Lock.COUNT_SLOTS)
    same = (pace.c.route == route) & (pace.c.day == day) & (pace.c.starts >= starts)
    connection.execute(update(pace).where(same).values(starts=pace.c.starts - starts))
