"""Following runs: which are to be looked at, and what a look has learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, text, update

from bridge.model import RUN_ENDED, Delivery, RunReport
from bridge.store.ledger import LEASE
from bridge.store.rows import to_delivery, to_json
from bridge.store.tables import delivery


def claim_polls(connection: Connection, *, platforms: Iterable[str], most: int, now: float) -> list[tuple[Delivery, int]]:
    """Take up to `most` runs that are due to be looked at, with how often each was; another worker leaves them alone for a while."""
    query = (
        select(delivery)
        .where(text("delivery.poll_at IS NOT NULL AND delivery.poll_at <= :now"), delivery.c.platform.in_(list(platforms)))
        .order_by(delivery.c.poll_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(query, {"now": now}).all()
    if rows:
        connection.execute(update(delivery).where(delivery.c.id.in_([row.id for row in rows])).values(poll_at=now + 3 * LEASE))
    return [(to_delivery(row), row.polls) for row in rows]


def record_run(connection: Connection, followed: Delivery, report: RunReport, now: float, *, next_poll: float) -> bool:
    """Write down how a run stands; return True when it is over or no longer followed (its slot is free).

    `next_poll`: seconds until the next look where it goes on.
    """
    values: dict[str, Any] = {"polls": delivery.c.polls + 1, "poll_at": now + next_poll}
    if report.state is not None:
        values |= {"run_state": report.state, "raw_state": report.raw_state, "log": to_json(list(report.log) or None)}
    over = report.state in RUN_ENDED
    if over:
        values |= {"outputs": to_json(report.outputs), "finished_at": report.finished_at or now, "poll_at": None, "slot": False}
    elif report.gone:
        over = True
        values |= {"reason": "the platform says that it has no such run", "poll_at": None, "slot": False}
    elif now > (followed.delivered_at or now) + followed.run_timeout:
        over = True
        values |= {"reason": f"the run was not seen to end within {followed.run_timeout:g} s", "poll_at": None, "slot": False}
    following = (delivery.c.id == followed.id) & (delivery.c.run_id == followed.run_id) & (delivery.c.poll_at.isnot(None))
    return connection.execute(update(delivery).where(following).values(values)).rowcount == 1 and over
