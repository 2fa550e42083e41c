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
from bridge.model import TRANSITIONS, Delivery, Kind, Outcome, RunState, Status
from bridge.retry import Decision, settle
from bridge.store.rows import to_delivery
from bridge.store.tables import attempt, delivery

LEASE = 10.0  # seconds; extended by heartbeat, so that a dead worker's deliveries are taken over within fifteen
DIED = "the worker died while the call was under way"

_LANES = text("""
WITH RECURSIVE busy(platform) AS (
    SELECT (SELECT min(platform) FROM delivery WHERE status = 'queued')
    UNION ALL
    SELECT (SELECT min(platform) FROM delivery WHERE status = 'queued' AND platform > busy.platform) FROM busy
    WHERE busy.platform IS NOT NULL
), lane(platform, route) AS (
    SELECT busy.platform, (SELECT min(route) FROM delivery WHERE status = 'queued' AND platform = busy.platform) FROM busy
    WHERE busy.platform IS NOT NULL
    UNION ALL
    SELECT lane.platform, (SELECT min(route) FROM delivery WHERE status = 'queued' AND platform = lane.platform AND route > lane.route)
    FROM lane WHERE lane.route IS NOT NULL
)
SELECT platform, route FROM lane WHERE route IS NOT NULL
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


_LEASE = (
    update(delivery)
    .where(delivery.c.id == bindparam("of"), delivery.c.status == Status.QUEUED.value)
    .values(status=Status.SENDING.value, lease=bindparam("lease"), lease_until=bindparam("lease_until"), slot=True, reason=None)
)
_COMPLETE = (
    update(attempt)
    .where(attempt.c.delivery_id == bindparam("of"), attempt.c.number == bindparam("as"))
    .values({name: bindparam(name) for name in ("finished_at", "outcome", "status_code", "detail", "run_id")})
)
_HELD = (
    select(delivery.c.id, delivery.c.status, delivery.c.lease)
    .where(delivery.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update()
)
_SETTLE = (
    update(delivery)
    .where(delivery.c.id == bindparam("of"))
    .values({
        **{name: bindparam(name) for name in ("status", "reason", "due_at", "delivered_at", "finished_at", "run_id", "run_url",
                                              "run_state", "slot", "poll_at")},
        "attempts": delivery.c.attempts + bindparam("spent"),
        "throttled": delivery.c.throttled + bindparam("unspent"),
        "lease": None, "lease_until": None, "polls": 0,
    })
)  # fmt: skip


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
        leased = {"lease": lease, "lease_until": now + LEASE}
        connection.execute(_LEASE, [{"of": each.delivery.id, **leased} for each in claims])
        connection.execute(
            insert(attempt), [{"delivery_id": each.delivery.id, "number": each.attempt, "started_at": now} for each in claims]
        )
    return claims


def due(connection: Connection, now: float) -> bool:
    """Tell whether a turn would find anything to do. Reads only, so an idle worker never takes the write lock."""
    waiting = text(
        "SELECT EXISTS (SELECT 1 FROM delivery WHERE status = 'queued' AND due_at <= :now)"
        " OR EXISTS (SELECT 1 FROM delivery WHERE poll_at IS NOT NULL AND poll_at <= :now)"
    )
    return bool(connection.execute(waiting, {"now": now}).scalar())


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt that has ended. `first_poll`: seconds until its run is looked at, None for a platform without runs."""

    claim: Claim
    outcome: Outcome
    first_poll: float | None = None


def record(connection: Connection, settled: Sequence[Settled], now: float, *, jitter: float) -> list[Status | None]:
    """Write down what attempts came to, and move their deliveries on; return the status each went to.

    Where the lease was lost meanwhile (None) the attempt is completed all the same, and a start that did succeed settles the delivery
    if it is still `unknown`.
    """
    if not settled:
        return []
    connection.execute(_COMPLETE, [_completion(each, now) for each in settled])
    ids = [each.claim.delivery.id for each in settled]
    held = {row.id: (row.status, row.lease) for row in connection.execute(_HELD, {"ids": ids})}
    statuses: list[Status | None] = []
    rows = []
    for each in settled:
        status, lease = held.get(each.claim.delivery.id, (None, None))
        mine = status == Status.SENDING and lease == each.claim.lease
        late = status == Status.UNKNOWN and each.outcome.kind is Kind.STARTED
        decision = settle(each.claim.delivery, each.outcome, now, jitter)
        statuses.append(decision.status if mine or late else None)
        if mine or late:
            rows.append(_after(each, decision, now, spent=mine))
    if rows:
        connection.execute(_SETTLE, rows)
    return statuses


def _completion(each: Settled, now: float) -> dict[str, Any]:
    outcome = each.outcome
    return {"of": each.claim.delivery.id, "as": each.claim.attempt, "finished_at": now, "outcome": outcome.kind.value,
            "status_code": outcome.status_code, "detail": outcome.detail or None, "run_id": outcome.run_id}  # fmt: skip


def _after(each: Settled, decision: Decision, now: float, *, spent: bool) -> dict[str, Any]:
    """What changes of a delivery after an attempt, as the parameters of `_SETTLE`. `spent`: the attempt was not counted yet."""
    outcome, delivered = each.outcome, decision.status is Status.DELIVERED
    followed = delivered and each.first_poll is not None
    return {
        "of": each.claim.delivery.id,
        "status": decision.status.value,
        "reason": decision.reason,
        "due_at": decision.due_at if decision.status is Status.QUEUED else each.claim.delivery.due_at,
        "delivered_at": now if delivered else None,
        "finished_at": now if decision.status is Status.DEAD or (delivered and not followed) else None,
        "run_id": outcome.run_id if delivered else None,
        "run_url": outcome.run_url if delivered else None,
        "run_state": RunState.QUEUED.value if followed else None,
        "slot": followed,
        "poll_at": now + (each.first_poll or 0.0) if followed else None,
        "spent": int(spent and decision.spends),
        "unspent": int(spent and not decision.spends),
    }


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
            [status] = record(connection, [Settled(claim, Outcome(kind=Kind.UNKNOWN, detail=DIED))], now, jitter=jitter)
            moved.append((taken, status or taken.status))
    return moved


def move(connection: Connection, delivery_id: str, to: Status, now: float, *, reason: str | None = None,
         run_id: str | None = None) -> Delivery:  # fmt: skip
    """Move a delivery by a person's hand (retry, cancel, resolve) and return it as it was.

    Raises `IllegalTransition` where it may not go there.
    """
    row = connection.execute(select(delivery).where(delivery.c.id == delivery_id).with_for_update()).one_or_none()
    if row is None:
        raise IllegalTransition(f"no delivery {delivery_id}")
    known = to_delivery(row)
    if to not in TRANSITIONS[known.status] or known.status is Status.SENDING:
        under_way = known.status is Status.SENDING
        allowed = "nothing while its call is under way" if under_way else ", ".join(sorted(TRANSITIONS[known.status])) or "nothing"
        raise IllegalTransition(f"{delivery_id} is {known.status}: it can go to {allowed}, not to {to}")
    if to is Status.QUEUED and known.status is Status.DEAD and not known.attempts and not known.throttled:
        raise IllegalTransition(f"{delivery_id} was never sendable ({known.reason}): mend the route, then replay {known.event_id}")
    values: dict[str, Any] = {"status": to, "reason": reason, "slot": False, "lease": None, "lease_until": None, "poll_at": None}
    if to is Status.QUEUED:
        values |= {"due_at": now, "finished_at": None, "retry_attempts": known.attempts + known.retry.attempts}
        values |= dict.fromkeys(("run_id", "run_url", "run_state", "raw_state", "outputs", "log", "delivered_at"))
    elif to is Status.DELIVERED:
        values |= {"delivered_at": now, "run_id": run_id, "run_state": RunState.QUEUED if run_id else None, "slot": bool(run_id)}
        values |= {"poll_at": now} if run_id else {"finished_at": now}
    else:
        values["finished_at"] = now
    changed = connection.execute(update(delivery).where(delivery.c.id == delivery_id, delivery.c.status == known.status).values(values))
    if changed.rowcount != 1:
        raise IllegalTransition(f"{delivery_id} changed meanwhile; look again")
    return known
