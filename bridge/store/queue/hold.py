"""The hold: flowbridge starts no flow until an operator releases it.

New events are stored and routed meanwhile, and runs are polled. A restored store gets a hold: its
waiting deliveries may have started after the backup was taken, and only a person can know that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from bridge.core.audit import AuditEntry
from bridge.core.model import Status
from bridge.store import audit
from bridge.store.queue import ledger
from bridge.store.tables.schema import console_session, delivery, hold, token, worker

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
    """The start and reason of a hold. `taken_at`: the time of the backup that was restored."""

    since: float
    reason: str
    taken_at: float | None = None


@dataclass(frozen=True, slots=True)
class HeldCounts:
    """Counts of waiting deliveries routed `before` and `after` a time, `unknown` ones, and local
    `runs`.
    """

    before: int
    after: int
    unknown: int
    runs: int


def read_hold(connection: Connection) -> Hold | None:
    """Return the current hold, null where there is none."""
    rows: dict[str, Row[Any]] = {row.what: row for row in connection.execute(select(hold))}
    if STARTS not in rows:
        return None
    return Hold(
        rows[STARTS].since, rows[STARTS].reason, rows[RESTORED].since if RESTORED in rows else None
    )


def begin(connection: Connection, reason: str, now: float, entry: AuditEntry | None = None) -> None:
    """Begin a hold; an existing one stays as it is. `entry` is recorded with a new one."""
    if read_hold(connection) is None:
        connection.execute(insert(hold).values(what=STARTS, since=now, reason=reason))
        if entry is not None:
            audit.add(connection, entry)


def release(connection: Connection, entry: AuditEntry | None = None) -> bool:
    """Release the hold; return False where there was none. `entry` is recorded with it."""
    is_released = connection.execute(delete(hold)).rowcount > 0
    if is_released and entry is not None:
        audit.add(connection, entry)
    return is_released


def count_held(connection: Connection, until: float) -> HeldCounts:
    """Count what waits: created up to `until`, and later."""
    return HeldCounts(**connection.execute(_WAITING, {"until": until}).one()._mapping)


def mark_restored(
    connection: Connection, taken_at: float, now: float, entry: AuditEntry | None = None
) -> int:
    """Mark a store as restored from a backup, begin a hold, and return how many access tokens were
    removed.

    Calls under way end as after a crash. flowbridge does not search for the run of an unknown
    outcome any more: the run may have been found, or replaced by another, after the backup. For the
    same reason a failed run makes its delivery dead instead of starting another run. All access
    tokens are removed: one that was removed after the backup would be valid again. All sessions of
    the console end with them. `entry` is recorded with it.
    """
    connection.execute(
        update(delivery).where(delivery.c.status == Status.SENDING.value).values(lease_until=0.0)
    )
    ledger.reap_expired(connection, now, 0.5, lambda _: None)
    connection.execute(
        update(delivery)
        .where(text("status = 'unknown'"), delivery.c.poll_at.is_not(None))
        .values(poll_at=None)
    )
    failing = text("poll_at IS NOT NULL"), delivery.c.on_run_failed == "retry"
    connection.execute(update(delivery).where(*failing).values(on_run_failed="dead"))
    connection.execute(delete(worker))  # none of them runs on this store
    removed = connection.execute(delete(token)).rowcount
    connection.execute(delete(console_session))
    connection.execute(delete(hold))
    begin(connection, "the store was restored from a backup", now)
    connection.execute(
        insert(hold).values(what=RESTORED, since=taken_at, reason="when the backup was taken")
    )
    if entry is not None:
        audit.add(connection, entry)
    return removed
