"""Prune local runs, operations, configurations and stale state: rows that belong to no event.

Each function yields one piece of work for each batch, for a transaction of its own; the work
returns the number of rows deleted from each table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    update,
)

from bridge.core.rate_limits import day_of, hour_of
from bridge.core.retention import Retention
from bridge.core.units import DAY, HOUR
from bridge.routing.model import Config
from bridge.store.db.database import Database, Work
from bridge.store.inbound import removal
from bridge.store.inbound.removal import UNFINISHED, Counts
from bridge.store.operations.run_requests import REQUEST_SECONDS
from bridge.store.operations.sessions import IDLE_SECONDS, SESSION_SECONDS
from bridge.store.tables.rows import from_json
from bridge.store.tables.schema import act, delivery
from bridge.store.tables.schema import config as kept_config

RetentionOf = Callable[[str], Retention]
Finder = Callable[[Database, Config, float, RetentionOf], Iterator[Work[Counts]]]
PAGE_ROWS: Final = 1000  # rows read in one transaction
BATCH_ROWS: Final = 500  # rows deleted in one transaction
# after which a route's rate limit state, an open enrolment window, or a count of refused
# submissions has no effect any more
STALE_STATE_SECONDS: Final = 7 * DAY
EXPIRED_PROPOSAL_SECONDS: Final = HOUR  # that a proposal stays visible after its time is over
ENDED_TOKEN_SECONDS: Final = 30 * DAY  # that an ended access token stays visible
AUDIT_SECONDS: Final = 400 * DAY  # that an entry of the audit log stays

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_RUNS = text("""
SELECT seq, id, idempotency_key, finished_at FROM local_run
WHERE seq > :after AND state IN ('DONE', 'FAILED', 'TERMINATED') AND finished_at < :before
    ORDER BY seq LIMIT :most
""")
_OWNERS = text(f"""
SELECT d.id, e.source, {UNFINISHED} AS unfinished FROM delivery d JOIN event e ON e.id = d.event_id
    WHERE d.id IN :ids
""").bindparams(_ids)  # noqa: S608 - names of our own tables and columns
_d = delivery.alias("d")
_LOCK_OWNERS = (
    select(_d.c.id, literal_column(UNFINISHED).label("unfinished"))
    .where(_d.c.id.in_(_ids))
    .order_by(_d.c.id)
    .with_for_update()
)
_EXPIRED_ACT = text(
    "(coalesce(worked_at, finished_at, created_at) < :before"
    " OR agreed_at IS NULL AND proposed_until < :expired)"
)
_ACTS = (
    select(act.c.seq, act.c.resumed)
    .where(act.c.seq > bindparam("after"), _EXPIRED_ACT)
    .order_by(act.c.seq)
    .limit(BATCH_ROWS)
)
_LOCK_ACT = select(act.c.resumed).where(act.c.seq == bindparam("act"), _EXPIRED_ACT)
_CLOSE_ACT = (
    update(act)
    .where(act.c.seq == bindparam("act"))
    .values(chosen=None, stopped_at=func.coalesce(act.c.stopped_at, bindparam("now")))
)
_CLOSED_ACT = "FROM act WHERE seq = :act AND chosen IS NULL AND stopped_at IS NOT NULL"
_CLOSED_ITEM = text(
    f"SELECT 1 FROM act_item WHERE act = :act AND EXISTS (SELECT 1 {_CLOSED_ACT}) LIMIT 1"  # noqa: S608 - names of our own tables and columns
)
_DELETE_ACT = text(f"DELETE {_CLOSED_ACT}")
_DELETE_ITEMS = text("""
DELETE FROM act_item WHERE act = :act AND number IN (SELECT number FROM act_item WHERE act = :act
    ORDER BY number LIMIT :most)
""")
_CONFIGS = text("SELECT hash FROM config WHERE seen_at < :before AND hash <> :own")
_HASHES = "SELECT seq, config_hash FROM {table} WHERE seq > :after ORDER BY seq LIMIT :most"


# -- runs


def expired_runs(
    database: Database, config: Config, now: float, of: RetentionOf
) -> Iterator[Work[Counts]]:
    """Yield deletions of ended runs, by the retention of their source, or by the global one."""
    before = now - min(
        [
            config.retention.runs,
            *(source_config.retention.runs for source_config in config.sources.values()),
        ]
    )
    place = 0
    while rows := _read(database, _RUNS, {"after": place, "before": before, "most": PAGE_ROWS}):
        old = _old(database, rows, config, now, of)
        for at in range(0, len(old), BATCH_ROWS):
            yield partial(_remove_runs, old[at : at + BATCH_ROWS])
        place = rows[-1].seq


def _old(
    database: Database, rows: Sequence[Row[Any]], config: Config, now: float, of: RetentionOf
) -> list[tuple[str, str]]:
    """Return the runs that may be deleted, each with the id of its delivery; a delivery that may
    start again must find its run.
    """
    keys = {row.id: (row.idempotency_key or "").partition("~")[0] for row in rows}
    owners = {row.id: row for row in _read(database, _OWNERS, {"ids": sorted(set(keys.values()))})}
    old = []
    for row in rows:
        owner = owners.get(keys[row.id])
        kept = config.retention if owner is None else of(owner.source)
        if row.finished_at < now - kept.runs and not (owner is not None and owner.unfinished):
            old.append((row.id, keys[row.id]))
    return old


def _remove_runs(runs: Sequence[tuple[str, str]], connection: Connection) -> Counts:
    """Remove runs, without those whose delivery became unfinished meanwhile."""
    owners = connection.execute(_LOCK_OWNERS, {"ids": sorted({owner for _, owner in runs})}).all()
    unfinished = {row.id for row in owners if row.unfinished}
    return removal.remove_runs(
        connection, [run_id for run_id, owner in runs if owner not in unfinished]
    )


# -- operations


def expired_operations(
    database: Database, config: Config, now: float, _of: RetentionOf
) -> Iterator[Work[Counts]]:
    """Yield deletions of operations that did not advance for the retention of events, and of
    proposals that were not agreed to.
    """
    bounds = {
        "before": max(now - config.retention.events, 0.0),
        "expired": now - EXPIRED_PROPOSAL_SECONDS,
    }
    place = 0
    while rows := _read(database, _ACTS, {"after": place, **bounds}):
        for row in rows:
            if _was_resumed(row, bounds["before"]):
                continue
            own = {"act": row.seq}
            yield partial(_close_operation, {**own, **bounds, "now": now})
            while _read(database, _CLOSED_ITEM, own):
                yield partial(_delete, "act_item", _DELETE_ITEMS, {**own, "most": BATCH_ROWS})
            yield partial(_delete, "act", _DELETE_ACT, own)
        place = rows[-1].seq


def _close_operation(values: Mapping[str, Any], connection: Connection) -> Counts:
    """Stop an operation for good, unless it advanced or was resumed meanwhile.

    The deletion takes several transactions. A null `chosen` prevents that the operation is resumed
    between them, without the items that are deleted already.
    """
    row = connection.execute(_LOCK_ACT.with_for_update(), values).one_or_none()
    if row is not None and not _was_resumed(row, values["before"]):
        connection.execute(_CLOSE_ACT, values)
    return {}


def _was_resumed(row: Row[Any], since: float) -> bool:
    return any(at >= since for _, at in from_json(row.resumed) or ())


# -- configurations


def unused_configs(
    database: Database, config: Config, now: float, _of: RetentionOf
) -> Iterator[Work[Counts]]:
    """Yield a deletion of configurations that are unused lately and routed no stored row."""
    before = now - config.retention.events
    if math.isinf(before):
        return
    unused = {row.hash for row in _read(database, _CONFIGS, {"before": before, "own": config.hash})}
    for table in ("event", "delivery"):
        place = 0
        query = text(_HASHES.format(table=table))
        while unused and (rows := _read(database, query, {"after": place, "most": PAGE_ROWS})):
            unused -= {row.config_hash for row in rows}
            place = rows[-1].seq
    if unused:
        going = delete(kept_config).where(
            kept_config.c.hash.in_(unused), kept_config.c.seen_at < before
        )
        yield lambda connection: {"config": connection.execute(going).rowcount}


# -- stale state


_STALE_STATE: Final = {
    "pace": "pace WHERE day < :day AND next_at < :before",
    "learned": "learned WHERE until < :before AND sealed IS NULL",
    "refused_submission": "refused_submission WHERE hour < :hour",
    "token": "token WHERE ends_at < :ended",
    "audit": "audit WHERE at < :audited",
    "run_request": "run_request WHERE at < :requested",
    "console_session": "console_session WHERE used_at < :idle OR began_at < :begun",
}


def stale_state(
    database: Database, _config: Config, now: float, _of: RetentionOf
) -> Iterator[Work[Counts]]:
    """Yield deletions of rate limit state, closed enrolment windows, counts of refusals, ended
    access tokens and sessions, old requests of runs, and old entries of the audit log.
    """
    values = {
        "before": now - STALE_STATE_SECONDS,
        "day": day_of(now - STALE_STATE_SECONDS),
        "hour": hour_of(now - STALE_STATE_SECONDS),
        "ended": now - ENDED_TOKEN_SECONDS,
        "audited": now - AUDIT_SECONDS,
        "requested": now - REQUEST_SECONDS,
        "idle": now - IDLE_SECONDS,
        "begun": now - SESSION_SECONDS,
    }
    for name, rows in _STALE_STATE.items():
        used = {key: value for key, value in values.items() if f":{key}" in rows}
        if _read(database, text(f"SELECT 1 FROM {rows} LIMIT 1"), used):  # noqa: S608 - names of our own tables and columns
            statement = text(f"DELETE FROM {rows}")  # noqa: S608 - names of our own tables and columns
            yield partial(_delete, name, statement, used)


def _delete(
    table: str, statement: Any, values: Mapping[str, Any], connection: Connection
) -> Counts:
    return {table: connection.execute(statement, values).rowcount}


def _read(database: Database, query: Any, values: dict[str, Any]) -> list[Row[Any]]:
    with database.read() as connection:
        return list(connection.execute(query, values))
