"""Rows of local runs: conditions on their state, values to write, and records read from them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text

from bridge.core.errors import DecryptionError
from bridge.core.local_runs import LocalRun, LocalState, RunResult
from bridge.store.encryption import Sealer
from bridge.store.tables.encrypted import COLUMNS_BY_TABLE
from bridge.store.tables.rows import from_json, to_json
from bridge.store.tables.schema import local_run

# Written as text: a partial index is used only if its exact condition is in the statement.
OPEN = text("local_run.state IN ('QUEUED', 'RUNNING', 'TERMINATING')")


QUEUED = text(
    "local_run.state = 'QUEUED' AND local_run.state IN ('QUEUED', 'RUNNING', 'TERMINATING')"
)


HELD = text(
    "local_run.state IN ('RUNNING', 'TERMINATING') AND local_run.state IN ('QUEUED', 'RUNNING',"
    " 'TERMINATING')"
)


TERMINATING = text(
    "local_run.state = 'TERMINATING' AND local_run.state IN ('QUEUED', 'RUNNING', 'TERMINATING')"
)


def queued_again_values() -> dict[str, Any]:
    """Return the columns of a run that returns to the queue."""
    return {
        "state": LocalState.QUEUED.value,
        "started_at": None,
        "lease": None,
        "lease_until": None,
    }


def end_values(result: RunResult, now: float) -> dict[str, Any]:
    """Return the columns of a run that ends."""
    return {
        "state": result.state.value,
        "outputs": to_json(dict(result.outputs)),
        "log": to_json(list(result.log)),
        "finished_at": now,
        "lease": None,
        "lease_until": None,
    }


#: All columns but the inputs and the body, which are up to 10 MiB.
SUMMARY = [column for column in local_run.c if column.name not in ("inputs", "body")]


def to_run(row: Row[Any], sealer: Sealer, **changed: Any) -> LocalRun:
    """Return the run of a row, without inputs and body where the row has only a `SUMMARY`.

    If it cannot be decrypted, it has the error and no contents.
    """
    values = dict(row._mapping) | changed
    unsealable = None
    try:
        values |= {
            name: sealer.open(values[name], "local_run", name, row.id)
            for name in COLUMNS_BY_TABLE["local_run"]
            if name in values
        }
    except DecryptionError as error:
        values |= {"inputs": "{}", "outputs": None, "log": None, "body": None}
        unsealable = str(error)
    return LocalRun(
        id=values["id"],
        saved_item_id=values["saved_item_id"],
        user_id=values["user_id"],
        inputs=values.get("inputs", "{}"),
        state=LocalState(values["state"]),
        created_at=values["created_at"],
        idempotency_key=values["idempotency_key"],
        outputs=from_json(values["outputs"]) or {},
        log=tuple(from_json(values["log"]) or ()),
        started_at=values["started_at"],
        finished_at=values["finished_at"],
        body=values.get("body"),
        unsealable=unsealable,
    )
