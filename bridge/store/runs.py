"""The runs of the embedded local platform, kept in the same store as everything else.

All functions take a connection; those that change something want one inside `Database.write`. A run is leased while it is
executed: one whose lease ran out was interrupted, and is failed rather than run again, since half of it may have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from bridge.model import LocalRun, LocalState, RunResult
from bridge.store.database import Database
from bridge.store.ledger import LEASE
from bridge.store.rows import from_json, to_json
from bridge.store.tables import local_run

# Written out, since an index on some rows is only used where the condition stands in the statement itself.
QUEUED = text("local_run.state = 'QUEUED'")
RUNNING = text("local_run.state = 'RUNNING'")
INTERRUPTED = "The run was interrupted: the worker that executed it died."


def start(connection: Connection, run: LocalRun) -> LocalRun:
    """Keep a new run and return it, or the earlier one that has the same idempotency key, however it ended."""
    columns = local_run.c
    added = connection.execute(
        _insert(connection.dialect.name)(local_run)
        .values(
            id=run.id,
            saved_item_id=run.saved_item_id,
            user_id=run.user_id,
            idempotency_key=run.idempotency_key,
            state=run.state,
            created_at=run.created_at,
            inputs=run.inputs,
            body=run.body,
        )
        .on_conflict_do_nothing(index_elements=[columns.idempotency_key], index_where=columns.idempotency_key.is_not(None))
    )
    known = None if added.rowcount == 1 else find(connection, run.idempotency_key or "")
    return known or run


def _insert(dialect: str) -> Any:
    # Imported here: a dialect is megabytes, and only one of them is used.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as into_sqlite

        return into_sqlite
    from sqlalchemy.dialects.postgresql import insert as into_postgresql

    return into_postgresql


def get(connection: Connection, run_id: str) -> LocalRun | None:
    """Return the run, or None where there is none with that id."""
    row = connection.execute(select(local_run).where(local_run.c.id == run_id)).one_or_none()
    return None if row is None else _to_run(row)


def find(connection: Connection, idempotency_key: str) -> LocalRun | None:
    """Return the run that was started with this idempotency key."""
    row = connection.execute(select(local_run).where(local_run.c.idempotency_key == idempotency_key)).one_or_none()
    return None if row is None else _to_run(row)


def claim(connection: Connection, most: int, now: float, lease: str) -> list[LocalRun]:
    """Take up to `most` queued runs, oldest first, to execute them under `lease`."""
    columns = local_run.c
    queued = select(local_run).where(QUEUED).order_by(columns.seq).limit(most).with_for_update(skip_locked=True)
    rows = connection.execute(queued).all()
    if rows:
        connection.execute(
            update(local_run)
            .where(columns.id.in_([row.id for row in rows]), columns.state == "QUEUED")
            .values(state="RUNNING", started_at=now, lease=lease, lease_until=now + LEASE)
        )
    return [_to_run(row, state=LocalState.RUNNING, started_at=now) for row in rows]


def extend(connection: Connection, leases: Sequence[str], now: float) -> None:
    """The heartbeat: keep the leases of runs under way."""
    if leases:
        held = local_run.c.lease.in_(leases) & RUNNING
        connection.execute(update(local_run).where(held).values(lease_until=now + LEASE))


def hand_back(connection: Connection, ids: Sequence[str], lease: str) -> None:
    """Return runs that were claimed under `lease` and never begun to the queue."""
    columns = local_run.c
    held = columns.id.in_(ids) & (columns.state == "RUNNING") & (columns.lease == lease)
    connection.execute(update(local_run).where(held).values(state="QUEUED", started_at=None, lease=None, lease_until=None))


def finish(connection: Connection, run_id: str, result: RunResult, now: float, lease: str) -> bool:
    """Record how a run ended. False, and nothing changes, where the run is no longer held under `lease`."""
    columns = local_run.c
    ended = connection.execute(
        update(local_run)
        .where(columns.id == run_id, columns.state == "RUNNING", columns.lease == lease)
        .values(_ending(result, now))
    )
    return ended.rowcount == 1


def abandon_running(connection: Connection, now: float) -> list[str]:
    """Fail every run whose lease ran out, with that reason in its log; return their ids."""
    columns = local_run.c
    expired = select(columns.id).where(RUNNING, columns.lease_until < now).with_for_update(skip_locked=True)
    ids = list(connection.execute(expired).scalars())
    if ids:
        failed = RunResult(state=LocalState.FAILED, log=(INTERRUPTED,))
        connection.execute(update(local_run).where(columns.id.in_(ids), columns.state == "RUNNING").values(_ending(failed, now)))
    return ids


def _ending(result: RunResult, now: float) -> dict[str, Any]:
    return {
        "state": result.state,
        "outputs": to_json(dict(result.outputs)),
        "log": to_json(list(result.log)),
        "finished_at": now,
        "lease": None,
        "lease_until": None,
    }


def _to_run(row: Row[Any], **changed: Any) -> LocalRun:
    values = dict(row._mapping) | changed
    return LocalRun(
        id=values["id"],
        saved_item_id=values["saved_item_id"],
        user_id=values["user_id"],
        inputs=values["inputs"],
        state=LocalState(values["state"]),
        created_at=values["created_at"],
        idempotency_key=values["idempotency_key"],
        outputs=from_json(values["outputs"]) or {},
        log=tuple(from_json(values["log"]) or ()),
        started_at=values["started_at"],
        finished_at=values["finished_at"],
        body=values["body"],
    )


@dataclass(frozen=True, slots=True)
class Runs:
    """What the local platform's HTTP needs of the store: each call is its own durable transaction. `ring` wakes the worker."""

    database: Database
    ring: Callable[[], None]

    def start(self, run: LocalRun) -> LocalRun:
        """Keep a new run, or return the earlier one that has its idempotency key."""
        kept = self.database.write(lambda connection: start(connection, run))
        self.ring()
        return kept

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with that id."""
        with self.database.read() as connection:
            return get(connection, run_id)

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""
        with self.database.read() as connection:
            return find(connection, idempotency_key)
