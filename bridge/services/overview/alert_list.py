"""The open alerts, with what a screen says of those whose condition is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.core.model import JSON
from bridge.core.units import iso
from bridge.monitoring.alerts import find_resolve_time, has_ended, list_open
from bridge.monitoring.conditions import find_problems
from bridge.services.records.bridge_records import ALERT
from bridge.store.queries import alerts

if TYPE_CHECKING:
    from bridge.core.status import Overview
    from bridge.store.db.database import Database


def list_alerts(
    database: Database | None, read_overview: Callable[[], Overview], *, with_contents: bool = True
) -> tuple[list[JSON], dict[str, JSON]]:
    """Return the alerts that are raised or pending, none without a store, and what a screen shows.

    The screen has whether a route subscribes (`notifies`), and whether a worker runs (`works`); by
    the key of an alert that is over, `ends` has the time of its resolution, null if that is due:
    commands of 0.2.0 read these two through `--server`.
    """
    if database is None:
        return [], {"notifies": True, "works": False, "ends": {}}
    with database.read() as connection:
        open_alerts = list_open(alerts.read(connection).values())
    now = read_overview()
    present = {problem.key for problem in find_problems(now)}
    over = [alert for alert in open_alerts if has_ended(alert, present, now.at)]
    keys = {alert.key for alert in over}
    ends = {alert.key: find_resolve_time(alert) for alert in over}
    items: list[JSON] = [
        ALERT.write(
            alert,
            with_contents=with_contents,
            over=alert.key in keys,
            notified=alert.told if now.tells else 0,
        )
        for alert in open_alerts
    ]
    return items, {
        "notifies": now.tells,
        "works": any(process.role == "work" for process in now.processes),
        "ends": {key: iso(at) if at > now.at else None for key, at in ends.items()},
    }
