"""The alerts that are kept: read all, write all; there are few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select

from bridge.alerting import Alert
from bridge.store.tables import alert


def read(connection: Connection) -> dict[str, Alert]:
    """Return the alerts by key."""
    return {row.key: Alert(**row._mapping) for row in connection.execute(select(alert))}


def write(connection: Connection, alerts: Iterable[Alert]) -> None:
    """Keep these and no others."""
    connection.execute(delete(alert))
    rows = [asdict(one) for one in alerts]
    if rows:
        connection.execute(insert(alert), rows)
