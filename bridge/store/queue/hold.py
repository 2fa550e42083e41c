"""A hold: nothing is started until a person lets it go. What comes in is kept and planned
meanwhile, and runs are followed.

It belongs to a store that was restored: what waits in it may have been started since the backup was
taken, and only a person can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from bridge.core.model import Status
from bridge.store.queue import ledger
from bridge.store.tables.schema import delivery, hold, worker

STARTS = "starts"
RESTORED = "restored"
_WAITING: Final = text("""
SELECT (SELECT count(*) FROM delivery WHERE status = 'queued' AND created_at <= :until)
     + (SELECT count(*) FROM delivery WHERE status = 'blocked' AND created_at <= :until) AS before,
       (SELECT count(*) FROM delivery WHERE status = 'queued' AND created_at > :until)
     + (SELECT count(*) FROM delivery WHERE status = 'blocked' AND created_at > :until) AS after,
       (SELECT count(*) FROM delivery WHERE status = 'unknown') AS unknown,
       (SELECT count(*) FROM local_run WHERE state = 'QUEUED' AND state
           IN ('QUEUED', 'RUNNING', 'TERMINATING')) AS runs
""")


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when and why nothing is started; `taken_at`: when the backup was taken that this store
    was restored from.
    """

    since: float
    reason: str
    taken_at: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits: deliveries planned `before` the hold and `after`, those that are `unknown`,
    and `runs` of the local platform.
    """

    before: int
    after: int
    unknown: int
    runs: int


def current(connection: Connection) -> Hold | None:
    """Return the hold that there is."""
    rows: dict[str, Row[Any]] = {row.what: row for row in connection.execute(select(hold))}
    if STARTS not in rows:
        return None
    return Hold(
        rows[STARTS].since, rows[STARTS].reason, rows[RESTORED].since if RESTORED in rows else None
    )


def begin(connection: Connection, reason: str, now: float) -> None:
    """Start nothing from now on; a hold that there is already stays as it is."""
    if current(connection) is None:
        connection.execute(insert(hold).values(what=STARTS, since=now, reason=reason))


def release(connection: Connection) -> bool:
    """Let starts go on; False where nothing held them."""
    return connection.execute(delete(hold)).rowcount > 0


def waiting(connection: Connection, until: float) -> Waiting:
    """Return how much waits, of what was there `until` then and of what came after."""
    return Waiting(**connection.execute(_WAITING, {"until": until}).one()._mapping)


def restored(connection: Connection, taken_at: float, now: float) -> None:
    """Mark a store as restored from a backup that was taken then: nothing of it starts, now or by
    itself, before a person has said so.

    What was under way is settled as after a crash. An unknown outcome is not looked for any more:
    its run may have been found, or followed by another, since. For the same reason a run that has
    failed is not followed by another, but dead.
    """
    connection.execute(
        update(delivery).where(delivery.c.status == Status.SENDING.value).values(lease_until=0.0)
    )
    ledger.reap(connection, now, 0.5, lambda _: None)
    connection.execute(
        update(delivery)
        .where(text("status = 'unknown'"), delivery.c.poll_at.is_not(None))
        .values(poll_at=None)
    )
    failing = text("poll_at IS NOT NULL"), delivery.c.on_run_failed == "retry"
    connection.execute(update(delivery).where(*failing).values(on_run_failed="dead"))
    connection.execute(delete(worker))  # none of them works on this store
    connection.execute(delete(hold))
    begin(connection, "the store was restored from a backup", now)
    connection.execute(
        insert(hold).values(what=RESTORED, since=taken_at, reason="when the backup was taken")
    )
