"""Stored alerts: read all, replace all; there are few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from bridge.core.alert import Alert
from bridge.store.tables.schema import alert

_SILENCE: Final = "silence:"


def read(connection: Connection) -> dict[str, Alert]:
    """Return the alerts by key."""
    return {row.key: Alert(**row._mapping) for row in connection.execute(select(alert))}


def silent_sources(connection: Connection) -> dict[str, float]:
    """Return since when each silent source is silent, by its open alert."""
    rows = connection.execute(
        select(alert.c.key, alert.c.since).where(
            alert.c.key.startswith(_SILENCE), alert.c.resolved_at.is_(None)
        )
    )
    return {row.key.removeprefix(_SILENCE): row.since for row in rows}


def replace(connection: Connection, alerts: Iterable[Alert]) -> None:
    """Replace the stored alerts with these."""
    connection.execute(delete(alert))
    rows = [asdict(open_alert) for open_alert in alerts]
    if rows:
        connection.execute(insert(alert), rows)
