"""The delivery ledger: every change of a delivery after it was planned, each a compare-and-set on status and lease.

All functions take a connection inside `Database.write`, so that a worker's turn (what ended, what is taken on next) is one
durable commit. An attempt's intent is a row of `attempt` without an outcome, written in the commit that leases the delivery: it is on
disk before the first byte leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from bridge.errors import IllegalTransition
from bridge.model import RUN_ENDED, TRANSITIONS, Delivery, Kind, Outcome, RunReport, RunState, Status
from bridge.retry import Decision, settle
from bridge.store.rows import to_delivery, to_json
from bridge.store.tables import attempt, delivery

LEASE = 10.0  # seconds; extended by heartbeat, so that a dead worker's deliveries are taken over within fifteen
DIED = "the worker died while the call was under way"

_LANES = text("""
WITH RECURSIVE lane(platform, route) AS (
    SELECT (SELECT platform FROM delivery WHERE status = 'queued' ORDER BY platform, route LIMIT 1),
           (SELECT route FROM delivery WHERE status = 'queued' ORDER BY platform, route LIMIT 1)
    UNION ALL
    SELECT (SELECT d.platform FROM delivery d WHERE d.status = 'queued' AND (d.platform, d.route) > (lane.platform, lane.route)
            ORDER BY d.platform, d.route LIMIT 1),
           (SELECT d.route FROM delivery d WHERE d.status = 'queued' AND (d.platform, d.route) > (lane.platform, lane.route)
            ORDER BY d.platform, d.route LIMIT 1)
    FROM lane WHERE lane.platform IS NOT NULL
)
SELECT platform, route FROM lane WHERE platform IS NOT NULL
""")  # jumps from lane to lane in the index: its cost is the number of lanes, not of deliveries

_SLOTS = text("SELECT platform, count(*) FROM delivery WHERE slot GROUP BY platform")
_HEADS = (
    select(delivery)
    .where(text("delivery.status = 'queued' AND delivery.platform = :lane_platform AND delivery.route = :lane_route"))
    .where(text("delivery.due_at <= :now"))
    .order_by(delivery.c.due_at, delivery.c.seq)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery leased to a worker, and the number of the attempt whose intent is on disk."""

    delivery: Delivery
    attempt: int
    lease: str


def claim(
    connection: Connection, *, caps: Mapping[str, int], paused: frozenset[str], most: int, now: float, lease: str, turn: int = 0
) -> list[Claim]:
    """Lease up to `most` due deliveries, never more of a platform than its free slots, fairly between routes.

    `caps` are the slots of each platform of the present configuration (deliveries of others wait); routes in `paused` are left
    alone; `turn` rotates which route goes first.
    """
    _alone(connection)
    lanes = [(row.platform, row.route) for row in connection.execute(_LANES)]
    used = {row[0]: row[1] for row in connection.execute(_SLOTS)} if lanes else {}
    claims: list[Claim] = []
    for platform, cap in caps.items():
        free = min(cap - used.get(platform, 0), most - len(claims))
        routes = [route for of, route in lanes if of == platform and route not in paused]
        for place in range(len(routes)):
            if free <= 0:
                break
            share = -(-free // (len(routes) - place))
            taken = _take(connection, platform, routes[(place + turn) % len(routes)], share, now, lease)
            claims += taken
            free -= len(taken)
    return claims


def _alone(connection: Connection) -> None:
    """Let one worker count slots and take at a time; SQLite's write lock does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(1718186849)"))


def _take(connection: Connection, platform: str, route: str, most: int, now: float, lease: str) -> list[Claim]:
    rows = connection.execute(_HEADS, {"lane_platform": platform, "lane_route": route, "now": now, "most": most}).all()
    claims = [Claim(to_delivery(row), row.attempts + row.throttled + 1, lease) for row in rows]
    if claims:
        ids = [claim.delivery.id for claim in claims]
        connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(ids), delivery.c.status == Status.QUEUED)
            .values(status=Status.SENDING, lease=lease, lease_until=now + LEASE, slot=True, reason=None)
        )
        connection.execute(
            insert(attempt), [{"delivery_id": each.delivery.id, "number": each.attempt, "started_at": now} for each in claims]
        )
    return claims


def due(connection: Connection, now: float) -> bool:
    """Tell whether a turn would find anything to do. Reads only, so an idle worker never takes the write lock."""
    waiting = text(
        "SELECT EXISTS (SELECT 1 FROM delivery WHERE status = 'queued' AND due_at <= :now)"
        " OR EXISTS (SELECT 1 FROM delivery WHERE poll_at IS NOT NULL AND poll_at <= :now)"
        " OR EXISTS (SELECT 1 FROM local_run WHERE state = 'QUEUED')"
    )
    return bool(connection.execute(waiting, {"now": now}).scalar())


def record(connection: Connection, claim: Claim, outcome: Outcome, now: float, *, jitter: float, first_poll: float | None) -> Status | None:
    """Write down what an attempt came to, and move its delivery on; return the status it went to.

    `first_poll`: seconds until its run is looked at, None for a platform without runs. Where the lease was lost meanwhile the
    attempt is completed all the same, and a start that did succeed settles the delivery if it is still `unknown`.
    """
    decision = settle(claim.delivery, outcome, now, jitter)
    connection.execute(
        update(attempt)
        .where(attempt.c.delivery_id == claim.delivery.id, attempt.c.number == claim.attempt)
        .values(finished_at=now, outcome=outcome.kind.value, status_code=outcome.status_code, detail=outcome.detail or None, run_id=outcome.run_id)
    )
    values = _after(decision, outcome, now, first_poll)
    held = (delivery.c.id == claim.delivery.id) & (delivery.c.status == Status.SENDING) & (delivery.c.lease == claim.lease)
    if connection.execute(update(delivery).where(held).values(values | _spend(decision))).rowcount == 1:
        return decision.status
    if outcome.kind is Kind.STARTED:
        late = (delivery.c.id == claim.delivery.id) & (delivery.c.status == Status.UNKNOWN)
        if connection.execute(update(delivery).where(late).values(values)).rowcount == 1:
            return decision.status
    return None


def _spend(decision: Decision) -> dict[str, Any]:
    counter = delivery.c.attempts if decision.spends else delivery.c.throttled
    return {counter.name: counter + 1}


def _after(decision: Decision, outcome: Outcome, now: float, first_poll: float | None) -> dict[str, Any]:
    """The columns of a delivery after an attempt."""
    values: dict[str, Any] = {"status": decision.status, "reason": decision.reason, "lease": None, "lease_until": None, "slot": False}
    if decision.status is Status.QUEUED:
        return values | {"due_at": decision.due_at}
    if decision.status is Status.DEAD:
        return values | {"finished_at": now}
    if decision.status is not Status.DELIVERED:
        return values
    values |= {"delivered_at": now, "run_id": outcome.run_id, "run_url": outcome.run_url}
    if first_poll is None:
        return values | {"finished_at": now}
    return values | {"run_state": RunState.QUEUED, "slot": True, "poll_at": now + first_poll, "polls": 0}


def hand_back(connection: Connection, claims: Iterable[Claim]) -> None:
    """Return leased deliveries whose calls never began to the queue, as if they had not been taken."""
    for claim in claims:
        connection.execute(delete(attempt).where(attempt.c.delivery_id == claim.delivery.id, attempt.c.number == claim.attempt))
        connection.execute(
            update(delivery)
            .where(delivery.c.id == claim.delivery.id, delivery.c.status == Status.SENDING, delivery.c.lease == claim.lease)
            .values(status=Status.QUEUED, lease=None, lease_until=None, slot=False)
        )


def extend(connection: Connection, leases: Sequence[str], now: float) -> None:
    """The heartbeat: keep the leases of calls under way."""
    if leases:
        holding = delivery.c.lease.in_(leases) & (delivery.c.status == Status.SENDING)
        connection.execute(update(delivery).where(holding).values(lease_until=now + LEASE))


def reap(connection: Connection, now: float, jitter: float) -> list[tuple[Delivery, Status]]:
    """Take over deliveries whose lease ran out: one whose attempt had begun has an unknown outcome, one without goes back to the queue."""
    expired = select(delivery).where(text("delivery.status = 'sending' AND delivery.lease_until < :now")).with_for_update(skip_locked=True)
    moved = []
    for row in connection.execute(expired, {"now": now}).all():
        taken = to_delivery(row)
        begun = attempt.c.delivery_id, attempt.c.outcome.is_(None)
        open_attempt = connection.execute(select(func.max(attempt.c.number)).where(begun[0] == taken.id, begun[1])).scalar()
        claim = Claim(taken, open_attempt or 0, taken.lease or "")
        if open_attempt is None:
            hand_back(connection, [claim])
            moved.append((taken, Status.QUEUED))
        else:
            status = record(connection, claim, Outcome(kind=Kind.UNKNOWN, detail=DIED), now, jitter=jitter, first_poll=None)
            moved.append((taken, status or taken.status))
    return moved


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


def move(connection: Connection, delivery_id: str, to: Status, now: float, *, reason: str | None = None, run_id: str | None = None) -> Delivery:
    """Move a delivery by a person's hand (retry, cancel, resolve) and return it as it was; `IllegalTransition` where it may not go there."""
    row = connection.execute(select(delivery).where(delivery.c.id == delivery_id).with_for_update()).one_or_none()
    if row is None:
        raise IllegalTransition(f"no delivery {delivery_id}")
    known = to_delivery(row)
    if to not in TRANSITIONS[known.status] or known.status is Status.SENDING:
        allowed = ", ".join(sorted(TRANSITIONS[known.status])) if known.status is not Status.SENDING else "nothing while its call is under way"
        raise IllegalTransition(f"{delivery_id} is {known.status}: it can go to {allowed or 'nothing'}, not to {to}")
    if to is Status.QUEUED and known.inputs is None:
        raise IllegalTransition(f"{delivery_id} was never sendable ({known.reason}): mend the route, then replay {known.event_id}")
    values: dict[str, Any] = {"status": to, "reason": reason, "slot": False, "lease": None, "lease_until": None, "poll_at": None}
    if to is Status.QUEUED:
        values |= {"due_at": now, "finished_at": None, "retry_attempts": known.attempts + known.retry.attempts}
        values |= {"run_id": None, "run_url": None, "run_state": None, "raw_state": None, "outputs": None, "log": None, "delivered_at": None}
    elif to is Status.DELIVERED:
        values |= {"delivered_at": now, "run_id": run_id, "run_state": RunState.QUEUED if run_id else None, "slot": bool(run_id)}
        values |= {"poll_at": now} if run_id else {"finished_at": now}
    else:
        values["finished_at"] = now
    changed = connection.execute(update(delivery).where(delivery.c.id == delivery_id, delivery.c.status == known.status).values(values))
    if changed.rowcount != 1:
        raise IllegalTransition(f"{delivery_id} changed meanwhile; look again")
    return known
