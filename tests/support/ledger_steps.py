"""Takes deliveries through the steps of the ledger: add, claim, record an outcome, follow a run."""

from __future__ import annotations

from records import NOW, make_delivery, make_event
from sqlalchemy import select

from bridge.core.clock_reading import ClockReading
from bridge.core.model import Debounce, RunState
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.core.units import DAY
from bridge.delivery.fair_share import FairShares
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import status
from bridge.store.queue import claims, ledger, run_tracking
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.tables import schema
from bridge.store.tables.rows import to_delivery


def add(database: Database, count: int = 1, route: str = "triage", **changes: object) -> list[str]:
    ids = []
    for _ in range(count):
        event = make_event(None)
        delivery = make_delivery(event, route, **changes)
        events.add(database, event, [delivery], lambda *_: [])
        ids.append(delivery.id)
    return ids


def claim(
    database: Database,
    *,
    caps: dict[str, int] | None = None,
    limit: int = 32,
    now: float = NOW,
    shares: FairShares | None = None,
    clocks: ClockReading | None = None,
    **more,
) -> list[Claim]:
    lease = f"w:{now}"
    allowed = ClaimLimits(caps=caps or {"local": 5}, **more)
    shares = shares or FairShares()
    read = None if clocks is None else lambda _platform: clocks
    taken = database.write(
        lambda c: claims.claim(
            c, allowed, limit=limit, now=now, lease=lease, order=shares.order, clocks=read
        )
    )
    shares.count((each.delivery.platform, each.delivery.route) for each in taken)
    return taken


def record(
    database: Database, held, outcome: Outcome, now: float = NOW + 1, first_poll: float | None = 1.0
):
    settled = ledger.EndedAttempt(held, outcome, first_poll)
    return database.write(lambda c: ledger.record_attempts(c, [settled], now, jitter=0.5))[0]


def get(database: Database, delivery_id: str):
    with database.read() as connection:
        return to_delivery(
            connection.execute(
                select(schema.delivery).where(schema.delivery.c.id == delivery_id)
            ).one(),
            database.sealer,
        )


def column(database: Database, delivery_id: str, name: str):
    with database.read() as connection:
        return connection.execute(
            select(schema.delivery.c[name]).where(schema.delivery.c.id == delivery_id)
        ).scalar()


def attempts(database: Database, delivery_id: str) -> list:
    with database.read() as connection:
        table = schema.attempt
        return connection.execute(
            select(table).where(table.c.delivery_id == delivery_id).order_by(table.c.number)
        ).all()


STARTED = Outcome(kind=OutcomeKind.STARTED, run_id="r1", run_url="https://x/r1", status_code=200)


def late_starts(database: Database) -> list[tuple[str, int, str, str]]:
    found = status.read_status(database, (), NOW + 700, midnight=NOW, day=DAY).late_starts
    return [(one.delivery_id, one.attempt, one.run_id, one.status) for one in found]


def started(database: Database, **changes: object) -> str:
    [one] = add(database, **changes)
    record(database, claim(database)[0], STARTED)
    return one


def run_of(database: Database, run_id: str = "r1", now: float = NOW + 1) -> None:
    started = Outcome(
        kind=OutcomeKind.STARTED, run_id=run_id, run_url=f"https://x/{run_id}", status_code=200
    )
    record(database, claim(database, now=now)[0], started, now)


def look_at(database: Database, delivery_id: str, report: RunReport, now: float) -> bool:
    followed = get(database, delivery_id)
    return database.write(
        lambda c: run_tracking.record_run(c, followed, report, now, next_poll=1.0, jitter=0.5)
    )


BROKE = RunReport(
    state=RunState.FAILED, raw_state="FAILED", log=("begun", "it broke"), outputs={"left": 2}
)


def arrive(
    database: Database,
    at: float,
    *,
    key: str = "k",
    wait: float = 30.0,
    most: float = 120.0,
    name: str = "triage",
) -> str:
    event = make_event(None, now=at)
    one = make_delivery(
        event, name, now=at, due_at=at + wait, debounce=Debounce(key=key, until=at + most)
    )
    events.add(database, event, [one], lambda *_: [])
    return one.id
