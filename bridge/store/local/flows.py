"""The flows of the local platform, as loaded from flows.py.

All functions take a connection, `replace` one inside `Database.write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace as changed
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from bridge.core.local_runs import Input, LocalFlow
from bridge.routing.model import AbsentFlows, Config
from bridge.store.tables.rows import from_json, to_json
from bridge.store.tables.schema import local_flow

REPLACE_LOCK = 0x626F6F6B  # PostgreSQL's advisory lock for replacing the flows


def replace(connection: Connection, flows: Sequence[LocalFlow], now: float) -> None:
    """Replace all flows. A flow that exists keeps the time it was first loaded."""
    if connection.dialect.name == "postgresql":  # SQLite has a single writer
        connection.execute(select(func.pg_advisory_xact_lock(REPLACE_LOCK)))
    created_times = {flow.id: flow.created_at for flow in list_flows(connection)}
    rows = [_to_row(changed(flow, created_at=created_times.get(flow.id, now))) for flow in flows]
    connection.execute(delete(local_flow))
    if rows:
        connection.execute(insert(local_flow), rows)


def find(connection: Connection, flow_id: str) -> LocalFlow | None:
    """Return the flow with this id, or None."""
    row = connection.execute(select(local_flow).where(local_flow.c.id == flow_id)).one_or_none()
    return None if row is None else _to_flow(row)


def list_flows(connection: Connection) -> list[LocalFlow]:
    """Return all flows, by id."""
    return [
        _to_flow(row) for row in connection.execute(select(local_flow).order_by(local_flow.c.id))
    ]


def ids(connection: Connection) -> Sequence[str]:
    """Return the ids of all flows."""
    return connection.execute(select(local_flow.c.id)).scalars().all()


def find_absent(connection: Connection, config: Config) -> AbsentFlows:
    """Return the missing local flows that routes name; none while no flows are loaded."""
    flow_ids = ids(connection)
    return config.absent_flows(flow_ids) if flow_ids else AbsentFlows()


def _to_row(flow: LocalFlow) -> dict[str, Any]:
    described = asdict(flow)
    return {
        "id": described.pop("id"),
        "workbook": described.pop("workbook"),
        "created_at": described.pop("created_at"),
        "described": to_json(described),
    }


def _to_flow(row: Row[Any]) -> LocalFlow:
    described = from_json(row.described)
    inputs = tuple(Input(**values) for values in described.pop("inputs"))
    return LocalFlow(
        id=row.id, workbook=row.workbook, created_at=row.created_at, inputs=inputs, **described
    )
