"""Tracked runs: claim due polls, and store the state, the end and the failure of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select, text, update

from bridge.core.model import RUN_ENDED, DeadKind, Delivery, Status
from bridge.core.status import RunReport
from bridge.delivery.retry import decide_after_run
from bridge.store.db.database import timings_of
from bridge.store.db.prepared import InJsonList, PreparedStatement, to_json_list
from bridge.store.queue import ordering
from bridge.store.queue.replaced_runs import requeued_values, store_replaced_run
from bridge.store.tables.encrypted import encrypt_row, sealer_of
from bridge.store.tables.rows import to_delivery, to_json
from bridge.store.tables.schema import delivery

RUN_GONE = "the platform says that it has no such run"
# by (platform, saved_item_id): how many seconds early a run may be polled together with others
SecondsAhead = Callable[[str, str], float]

_DUE = text("delivery.poll_at IS NOT NULL AND delivery.poll_at <= :now")
_SOON = text(
    "delivery.poll_at IS NOT NULL AND delivery.poll_at > :now AND delivery.poll_at <= :soon AND"
    " delivery.status = 'delivered'"
)
# An unknown run is not searched for while its platform refuses requests.
_ASKED = text("""(delivery.status <> 'unknown' OR delivery.platform NOT IN
                  (SELECT platform FROM circuit WHERE open_until > :now OR not_before > :now))""")
_FOLLOWED = (
    select(delivery)
    .where(InJsonList(delivery.c.platform, "platforms"))
    .order_by(delivery.c.poll_at)
    .limit(bindparam("most"))
)
_DUE_POLLS = PreparedStatement(_FOLLOWED.where(_DUE, _ASKED).with_for_update(skip_locked=True))
_EARLY_POLLS = PreparedStatement(_FOLLOWED.where(_SOON).with_for_update(skip_locked=True))
_WAITING = text("""
WITH RECURSIVE lane(route) AS (
    SELECT (SELECT min(route) FROM delivery WHERE status = 'queued' AND platform = :of)
    UNION ALL
    SELECT (SELECT min(route) FROM delivery WHERE status = 'queued' AND platform = :of
        AND route > lane.route)
    FROM lane WHERE lane.route IS NOT NULL
)
SELECT route FROM lane WHERE route IS NOT NULL
AND EXISTS (SELECT 1 FROM delivery WHERE status = 'queued' AND platform = :of AND route = lane.route
    AND due_at <= :now)
""")  # jumps from route to route, as `claims` does
_NEXT = PreparedStatement(
    text("SELECT min(poll_at) AS at FROM delivery WHERE poll_at IS NOT NULL AND poll_at > :now")
)


def claim_polls(
    connection: Connection,
    *,
    platforms: Iterable[str],
    limit: int,
    now: float,
    near: SecondsAhead | None = None,
) -> list[tuple[Delivery, int]]:
    """Claim up to `limit` deliveries whose run is due for a poll or a search, with their poll
    count.

    With a due run come other runs of its flow that are `near`ly due. Other workers skip the claimed
    deliveries for a while.
    """
    platform_names = to_json_list(platforms)
    lease = timings_of(connection).lease_seconds
    rows = _DUE_POLLS.rows(connection, platforms=platform_names, most=limit, now=now)
    horizons = (
        {
            _flow(row): min(near(*_flow(row)), lease / 5)
            for row in rows
            if row.status == Status.DELIVERED
        }
        if near
        else {}
    )
    if horizons and len(rows) < limit:
        soon = now + max(horizons.values())
        others = _EARLY_POLLS.rows(
            connection, platforms=platform_names, most=limit - len(rows), now=now, soon=soon
        )
        rows += [row for row in others if row.poll_at <= now + horizons.get(_flow(row), -1.0)]
    if rows:
        connection.execute(
            update(delivery)
            .where(delivery.c.id.in_([row.id for row in rows]))
            .values(poll_at=now + 3 * lease)
        )
    sealer = sealer_of(connection)
    return [(to_delivery(row, sealer), row.polls) for row in rows]


def return_polls(connection: Connection, ids: Collection[str], now: float) -> None:
    """Make these runs due for polling again: their poll was claimed but not made."""
    if ids:
        taken = delivery.c.id.in_(ids) & (delivery.c.poll_at > now)
        connection.execute(update(delivery).where(taken).values(poll_at=now))


def _flow(row: Any) -> tuple[str, str]:
    return row.platform, row.saved_item_id


def next_due(connection: Connection, now: float) -> float | None:
    """Return the time of the next poll that is not due yet."""
    at: float | None = _NEXT.value(connection, now=now)
    return at


def is_slot_wanted(
    connection: Connection, platform: str, paused: Collection[str], now: float
) -> bool:
    """Return whether a due delivery waits for a slot of the platform, except on `paused` routes."""
    return any(
        row.route not in paused
        for row in connection.execute(_WAITING, {"of": platform, "now": now})
    )


def blocks_next(connection: Connection, followed: Delivery) -> bool:
    """Return whether a delivery with the same ordering key waits for the end of this run."""
    if followed.order is None or followed.order.until != "run_end":
        return False
    behind = (delivery.c.route == followed.route) & (delivery.c.order_key == followed.order.key)
    return bool(
        connection.execute(
            select(exists().where(text("delivery.status = 'blocked'"), behind))
        ).scalar()
    )


def record_run(
    connection: Connection,
    followed: Delivery,
    report: RunReport,
    now: float,
    *,
    next_poll: float,
    jitter: float = 0.5,
) -> bool:
    """Store the state of a run; return True when it ended or is not polled any more (its slot is
    free).

    `next_poll`: seconds until the next poll if the run goes on. After a failed run the delivery's
    `on_run_failed` decides.
    """
    values: dict[str, Any] = {"polls": delivery.c.polls + 1, "poll_at": now + next_poll}
    if report.state is not None:
        values |= {"run_state": report.state, "raw_state": report.raw_state}
        # a list of runs may have no logs
        values |= {"log": to_json(list(report.log))} if report.log else {}
    over = report.state in RUN_ENDED
    status = Status.DELIVERED
    if over:
        values |= {
            "outputs": to_json(report.outputs),
            "finished_at": _ended_at(followed, report, now),
            "poll_at": None,
            "slot": False,
        }
        decision = decide_after_run(followed, report, now, jitter)
        status = decision.status
        if status is not Status.DELIVERED:
            values |= {"status": status.value, "reason": decision.reason}
            values |= (
                {"dead_kind": DeadKind.PLATFORM.value}
                if status is Status.DEAD
                else _rerun_values(followed, decision.due_at)
            )
    elif report.gone:
        over = True
        values |= {"reason": RUN_GONE, "poll_at": None, "slot": False}
    elif now > (followed.delivered_at or now) + followed.run_timeout and _is_timed_out(
        connection, followed, now
    ):
        over = True
        values |= {
            "reason": f"the run was not seen to end within {followed.run_timeout:g} s",
            "poll_at": None,
            "slot": False,
        }
    values = encrypt_row(sealer_of(connection), "delivery", followed.id, values)
    following = (
        (delivery.c.id == followed.id)
        & (delivery.c.run_id == followed.run_id)
        & (delivery.c.poll_at.isnot(None))
    )
    if connection.execute(update(delivery).where(following).values(values)).rowcount != 1:
        return False
    if status is Status.QUEUED:
        ended = replace(
            followed,
            run_state=report.state,
            finished_at=_ended_at(followed, report, now),
            outputs=report.outputs,
            log=report.log or followed.log,
        )
        store_replaced_run(connection, ended)
    elif (
        over
        and followed.order is not None
        and not (status is Status.DEAD and followed.order.blocks)
    ):
        ordering.leave_queue(connection, [followed], now)
    return over


def _is_timed_out(connection: Connection, followed: Delivery, now: float) -> bool:
    """Return whether the run timeout has passed, by the current row: a clock step may have been
    corrected during the poll.
    """
    at = connection.execute(
        select(delivery.c.delivered_at).where(delivery.c.id == followed.id)
    ).scalar()
    return at is None or now > at + followed.run_timeout


def _ended_at(followed: Delivery, report: RunReport, now: float) -> float:
    """Return when a run ended by its platform, whose clock may differ from ours.

    That is not later than now, else its event never gets old, and not before its delivery was
    planned.
    """
    ended = now if report.finished_at is None else min(report.finished_at, now)
    return max(ended, followed.created_at)


def _rerun_values(followed: Delivery, due_at: float) -> dict[str, Any]:
    """Return the new values for another run, with an attempt beyond those of this one."""
    return requeued_values(followed, due_at) | {"retry_attempts": delivery.c.retry_attempts + 1}
