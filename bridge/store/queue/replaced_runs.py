"""Runs that another run of the same delivery follows: they move from the delivery to its attempt.

A delivery has the columns of one run. Those of an earlier run are in the attempt that started it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, update

from bridge.core.model import Delivery
from bridge.store.tables.encrypted import encrypt_row, row_name, sealer_of
from bridge.store.tables.rows import to_json
from bridge.store.tables.schema import attempt

_EMPTIED: Final = (
    "run_id",
    "run_url",
    "run_state",
    "raw_state",
    "outputs",
    "log",
    "delivered_at",
    "finished_at",
    "merged_into",
    "debounce_until",
)


def requeued_values(ended: Delivery, due_at: float) -> dict[str, Any]:
    """Return the new values of an ended delivery that is queued again, without its old run."""
    reruns = ended.reruns + (ended.run_id is not None)
    return {**dict.fromkeys(_EMPTIED), "due_at": due_at, "reruns": reruns}


def store_replaced_run(connection: Connection, ended: Delivery) -> None:
    """Store how the run of a delivery ended in its last attempt; nothing if it has no run.

    The last attempt may lack the id of the run, if a person named it.
    """
    if ended.run_id is None:
        return
    number = ended.attempts + ended.throttled
    values = {
        "run_id": ended.run_id,
        "run_state": ended.run_state and ended.run_state.value,
        "run_finished_at": ended.finished_at,
        "outputs": to_json(ended.outputs or None),
        "log": to_json(list(ended.log) or None),
    }
    connection.execute(
        update(attempt)
        .where(attempt.c.delivery_id == ended.id, attempt.c.number == number)
        .values(encrypt_row(sealer_of(connection), "attempt", row_name(ended.id, number), values))
    )
