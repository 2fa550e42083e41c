"""Claims: lease due deliveries to a worker, and write the intents of their attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, text, update

from bridge.core.clock_reading import ClockReading
from bridge.core.model import Status
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import timings_of
from bridge.store.db.prepared import InJsonList, PreparedStatement, send_together
from bridge.store.queue.claim_round import (
    Claim,
    ClaimLimits,
    ClaimRound,
    ReadClocks,
    RouteOrder,
)
from bridge.store.tables.schema import delivery

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

_DUE = PreparedStatement(
    text(
        "SELECT EXISTS (SELECT 1 FROM delivery WHERE status = 'queued' AND due_at <= :now)"
        " OR EXISTS (SELECT 1 FROM delivery WHERE poll_at IS NOT NULL AND poll_at <= :now)"
        " AS due"
    )
)  # an idle worker runs it five times a second, a busy one after every turn
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
    limit: int,
    now: float,
    lease: str,
    order: RouteOrder = lambda _, routes: routes,
    intents: bool = True,
    clocks: ReadClocks | None = None,
) -> list[Claim]:
    """Lease up to `limit` due deliveries and write the intent of an attempt for each.

    `order` sorts the routes of a platform. `clocks` reads the clocks that an intent stores. Without
    `intents`, `leases.begin_attempt` writes each intent later.
    """
    take_lock(connection, Lock.COUNT_SLOTS)
    waiting = list_route_queues(connection)
    if not waiting:
        return []
    claims = ClaimRound(connection, allowed, now, lease, clocks).take(waiting, limit, order)
    if not claims:
        return []
    with send_together(connection):
        values = {"lease": lease, "lease_until": lease_until(connection, now)}
        _LEASE.change_alike(connection, [(taken.delivery.id, values) for taken in claims])
        if intents:
            write_intents(connection, claims)
    return claims


def write_intents(connection: Connection, claims: Sequence[Claim]) -> None:
    """Write the intents of attempts: each is on disk before its call is made."""
    _INTENTS[connection.dialect.name].change_alike(
        connection, [(taken.delivery.id, _intent_values(taken)) for taken in claims]
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


def is_work_due(connection: Connection, now: float) -> bool:
    """Return whether a turn would find work. Reads only: an idle worker takes no write lock."""
    return bool(_DUE.value(connection, now=now))
