"""Numbers of rows by their ids: a list goes on from a number."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, select

from bridge.store.db.database import Database
from bridge.store.tables.schema import act, audit, delivery, event, reject

TABLES: Final[dict[str, Table]] = {
    "evt_": event,
    "dlv_": delivery,
    "rej_": reject,
    "act_": act,
    "aud_": audit,
}


def find_number(database: Database, prefix: str, row_id: str) -> int | None:
    """Return the number of the row with exactly this id, null without one.

    `prefix`: that of the ids of its table.
    """
    table = TABLES[prefix]
    with database.read() as connection:
        number: int | None = connection.execute(
            select(table.c.seq).where(table.c.id == row_id)
        ).scalar()
    return number
