"""Runs of the local platform: start, claim, finish and interrupt them.

All functions take a connection; those that write need one inside `Database.write`. A run is leased
while it is executed, and was interrupted if its lease expires. It may have been half done, so it
fails, unless its flow is idempotent: then it is queued again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from bridge.core.errors import RunLimitReached
from bridge.core.local_runs import LocalRun, LocalState, RunResult
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.prepared import PreparedStatement
from bridge.store.db.upsert import dialect_insert
from bridge.store.local import flows as local_flows
from bridge.store.local.run_rows import (
    HELD,
    OPEN,
    QUEUED,
    SUMMARY,
    TERMINATING,
    end_values,
    queued_again_values,
    to_run,
)
from bridge.store.queue.claims import lease_until
from bridge.store.tables.encrypted import encrypt_row, sealer_of
from bridge.store.tables.rows import to_json
from bridge.store.tables.schema import local_run

NOT_STARTED_NOTE = "The run was terminated before it began."
RUN_AGAIN_NOTE = "It is run again."
WORKER_DIED = "the worker that executed it died"
_START_COLUMNS = (
    "id",
    "saved_item_id",
    "user_id",
    "idempotency_key",
    "created_at",
    "inputs",
    "body",
)
MAX_STARTS = 5  # of an idempotent run that is interrupted
_ANY_QUEUED = PreparedStatement(select(local_run.c.seq).where(QUEUED).limit(1))
_TERMINATING = PreparedStatement(
    select(local_run.c.id).where(local_run.c.lease == bindparam("lease"), TERMINATING)
)


def start(connection: Connection, run: LocalRun, cap: int | None = None) -> LocalRun:
    """Store a new run and return it, or return the earlier run with the same idempotency key.

    `cap`: the maximum number of unfinished runs; beyond it, raises `Full`.
    """
    if cap is not None:
        take_lock(connection, Lock.COUNT_RUNS)
        if run.idempotency_key and (earlier := find(connection, run.idempotency_key)):
            return earlier
        active = (
            connection.execute(select(func.count()).select_from(local_run).where(OPEN)).scalar()
            or 0
        )
        if active >= cap:
            raise RunLimitReached(
                f"{active} runs are unfinished; at most {cap} are allowed at once"
            )
    columns = local_run.c
    values: dict[str, Any] = {name: getattr(run, name) for name in _START_COLUMNS} | {
        "state": run.state.value
    }
    added = connection.execute(
        dialect_insert(connection.dialect.name)(local_run)
        .values(encrypt_row(sealer_of(connection), "local_run", run.id, values))
        .on_conflict_do_nothing(
            index_elements=[columns.idempotency_key],
            index_where=columns.idempotency_key.is_not(None),
        )
    )
    earlier = None if added.rowcount == 1 else find(connection, run.idempotency_key or "")
    return earlier or run


def get(connection: Connection, run_id: str) -> LocalRun | None:
    """Return the run with this id, or None."""
    row = connection.execute(select(local_run).where(local_run.c.id == run_id)).one_or_none()
    return None if row is None else to_run(row, sealer_of(connection))


def find(connection: Connection, idempotency_key: str) -> LocalRun | None:
    """Return the run that was started with this idempotency key, or None."""
    row = connection.execute(
        select(local_run).where(local_run.c.idempotency_key == idempotency_key)
    ).one_or_none()
    return None if row is None else to_run(row, sealer_of(connection))


def claim(
    connection: Connection, limit: int, now: float, lease: str, cap: int | None = None
) -> list[LocalRun]:
    """Claim up to `limit` queued runs under `lease`, oldest first.

    `cap`: the maximum number of runs in execution by all workers.
    """
    if limit <= 0 or not has_queued(connection):  # nearly always in a worker's turn
        return []
    columns = local_run.c
    if cap is not None:
        take_lock(connection, Lock.COUNT_RUNS)
        limit = min(
            limit,
            cap
            - (
                connection.execute(select(func.count()).select_from(local_run).where(HELD)).scalar()
                or 0
            ),
        )
    if limit <= 0:
        return []
    queued = (
        select(local_run)
        .where(QUEUED)
        .order_by(columns.seq)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(queued).all()
    if rows:
        connection.execute(
            update(local_run)
            .where(columns.id.in_([row.id for row in rows]), columns.state == "QUEUED")
            .values(
                state="RUNNING",
                started_at=now,
                lease=lease,
                lease_until=lease_until(connection, now),
            )
        )
    sealer = sealer_of(connection)
    return [to_run(row, sealer, state=LocalState.RUNNING, started_at=now) for row in rows]


def has_queued(connection: Connection) -> bool:
    """Return whether a run is queued."""
    return _ANY_QUEUED.value(connection) is not None


def extend_leases(
    connection: Connection, lease: str, now: float, ids: Collection[str], logs: Mapping[str, str]
) -> set[str]:
    """Extend the leases of these runs and store their logs (JSON by run id), as a heartbeat.

    Returns the ids of those still held under `lease`.
    """
    columns = local_run.c
    is_leased = (columns.lease == lease) & columns.id.in_(list(ids)) & HELD
    connection.execute(
        update(local_run).where(is_leased).values(lease_until=lease_until(connection, now))
    )
    for run_id, lines in logs.items():
        encrypted_log = encrypt_row(sealer_of(connection), "local_run", run_id, {"log": lines})
        connection.execute(
            update(local_run).where(columns.id == run_id, is_leased).values(encrypted_log)
        )
    return set(connection.execute(select(columns.id).where(is_leased)).scalars())


def return_to_queue(connection: Connection, ids: Sequence[str], lease: str, now: float) -> None:
    """Return claimed runs that did not start to the queue; end those to be terminated."""
    for run_id in ids:
        is_leased = (local_run.c.id == run_id) & (local_run.c.lease == lease)
        connection.execute(
            update(local_run)
            .where(is_leased, local_run.c.state == LocalState.RUNNING)
            .values(queued_again_values())
        )
        finish(
            connection,
            run_id,
            RunResult(state=LocalState.TERMINATED, log=(NOT_STARTED_NOTE,)),
            now,
            lease,
        )


def finish(connection: Connection, run_id: str, result: RunResult, now: float, lease: str) -> bool:
    """Record how a run ended: TERMINATED if that was requested.

    Returns False and changes nothing if it is not held under `lease`.
    """
    columns = local_run.c
    end_state = case(
        (columns.state == LocalState.TERMINATING, LocalState.TERMINATED.value),
        else_=result.state.value,
    )
    ended = connection.execute(
        update(local_run)
        .where(columns.id == run_id, columns.lease == lease, HELD)
        .values(
            encrypt_row(sealer_of(connection), "local_run", run_id, end_values(result, now))
            | {"state": end_state}
        )
    )
    return ended.rowcount == 1


def kill(connection: Connection, run_id: str, now: float) -> LocalRun | None:
    """End a queued run, or request the termination of a running one; return the run as it is then.

    A finished run does not change.
    """
    columns = local_run.c
    never = RunResult(state=LocalState.TERMINATED, log=(NOT_STARTED_NOTE,))
    mine = columns.id == run_id
    ended = encrypt_row(sealer_of(connection), "local_run", run_id, end_values(never, now))
    connection.execute(
        update(local_run).where(mine, columns.state == LocalState.QUEUED).values(ended)
    )
    connection.execute(
        update(local_run)
        .where(mine, columns.state == LocalState.RUNNING)
        .values(state=LocalState.TERMINATING)
    )
    return get(connection, run_id)


def list_terminating(connection: Connection, lease: str) -> list[str]:
    """Return the ids of the runs held under `lease` with a requested termination."""
    return [row.id for row in _TERMINATING.rows(connection, lease=lease)]


def abandon_running(connection: Connection, now: float) -> list[str]:
    """Interrupt every run whose lease expired (see `interrupt`), and return their ids."""
    columns = local_run.c
    expired = (
        select(columns.id).where(HELD, columns.lease_until < now).with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(expired).scalars())
    interrupt(connection, ids, WORKER_DIED, now)
    return ids


def interrupt(
    connection: Connection, ids: Sequence[str], why: str, now: float, lease: str | None = None
) -> None:
    """End interrupted runs: TERMINATED if requested, QUEUED if idempotent, else FAILED.

    `lease`: ignore runs that are no longer held under it.
    """
    if not ids:  # as in nearly every cycle of a worker
        return
    cut_off = select(local_run).where(local_run.c.id.in_(ids), HELD)
    if lease is not None:
        cut_off = cut_off.where(local_run.c.lease == lease)
    sealer = sealer_of(connection)
    for row in connection.execute(cut_off).all():
        run = to_run(row, sealer)
        flow = local_flows.find(connection, run.saved_item_id)
        begun = 1 + sum(line.endswith(RUN_AGAIN_NOTE) for line in run.log)
        if run.state is LocalState.TERMINATING:
            values = end_values(RunResult(state=LocalState.TERMINATED, log=run.log), now)
        elif flow is not None and flow.idempotent and begun < MAX_STARTS:
            values = queued_again_values() | {
                "log": to_json([*run.log, f"The run was interrupted: {why}. {RUN_AGAIN_NOTE}"])
            }
        else:
            values = end_values(
                RunResult(
                    state=LocalState.FAILED, log=(*run.log, f"The run was interrupted: {why}.")
                ),
                now,
            )
        values = encrypt_row(sealer, "local_run", run.id, values)
        connection.execute(
            update(local_run)
            .where(local_run.c.id == run.id, local_run.c.state == run.state.value)
            .values(values)
        )


def newest(
    connection: Connection, flow_ids: Sequence[str], user_id: str, limit: int = 10
) -> dict[str, list[LocalRun]]:
    """Return the newest runs of each flow that the user started, newest first.

    They have no inputs and no body: a list has many runs, and these can be large.
    """
    columns = local_run.c
    mine = (
        select(*SUMMARY).where(columns.user_id == user_id).order_by(columns.seq.desc()).limit(limit)
    )
    sealer = sealer_of(connection)
    return {
        flow_id: [
            to_run(row, sealer)
            for row in connection.execute(mine.where(columns.saved_item_id == flow_id))
        ]
        for flow_id in flow_ids
    }
