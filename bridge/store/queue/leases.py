"""Leases: begin the attempt of a leased delivery, extend leases, and return deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select, update

from bridge.core.model import Status
from bridge.core.rate_limits import day_of
from bridge.store.queue import throttling
from bridge.store.queue.claim_round import Claim, ReadClocks
from bridge.store.queue.claims import lease_until, write_intents
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import attempt, delivery


def begin_attempt(
    connection: Connection,
    delivery_id: str,
    lease: str,
    own: str,
    platforms: Iterable[str],
    now: float,
    clocks: ReadClocks | None = None,
) -> Claim | None:
    """Begin the attempt of a leased delivery: write its intent, and replace its lease with `own`.

    Returns None and changes nothing where the delivery lost `lease`, where another process began
    the attempt, or where it is for none of the `platforms`.
    """
    is_leased = (
        (delivery.c.id == delivery_id)
        & (delivery.c.status == Status.SENDING)
        & (delivery.c.lease == lease)
    )
    on_platform = delivery.c.platform.in_(list(platforms))
    row = connection.execute(
        select(delivery).where(is_leased, on_platform).with_for_update()
    ).one_or_none()
    if row is None:
        return None
    leased = replace(to_delivery(row, sealer_of(connection)), lease=own)
    taken = Claim(
        leased,
        row.attempts + row.throttled + 1,
        own,
        now,
        clocks(leased.platform) if clocks else None,
    )
    begun = select(attempt.c.number).where(
        attempt.c.delivery_id == delivery_id, attempt.c.number == taken.attempt
    )
    if connection.execute(begun).first() is not None:
        return None
    connection.execute(
        update(delivery)
        .where(is_leased)
        .values(lease=own, lease_until=lease_until(connection, now))
    )
    write_intents(connection, [taken])
    return taken


def extend_leases(connection: Connection, leases: Sequence[str], now: float) -> None:
    """Extend the leases of calls under way: the heartbeat of a worker."""
    if leases:
        holding = delivery.c.lease.in_(leases) & (delivery.c.status == Status.SENDING)
        connection.execute(
            update(delivery).where(holding).values(lease_until=lease_until(connection, now))
        )


def return_claims(connection: Connection, claims: Iterable[Claim]) -> None:
    """Return leased deliveries whose calls never began to the queue, and delete their intents.

    A delivery that lost its lease stays as it is.
    """
    freed_starts = []
    for claim in sorted(claims, key=lambda candidate: candidate.delivery.id):
        is_leased = (
            (delivery.c.id == claim.delivery.id)
            & (delivery.c.status == Status.SENDING)
            & (delivery.c.lease == claim.lease)
        )
        freed = (
            update(delivery)
            .where(is_leased)
            .values(status=Status.QUEUED, lease=None, lease_until=None, slot=False)
        )
        if connection.execute(freed).rowcount:
            connection.execute(
                delete(attempt).where(
                    attempt.c.delivery_id == claim.delivery.id, attempt.c.number == claim.attempt
                )
            )
            freed_starts.append(claim)
    for claim in freed_starts:
        throttling.return_starts(connection, claim.delivery.route, day_of(claim.began_at))
