"""Maintenance jobs that store alerts as events, and since when a source is expected to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.model import Delivery
from bridge.core.timings import Timings
from bridge.ingest.receive import replan
from bridge.monitoring import alerts as alert_states
from bridge.monitoring.conditions import HealthProblem, find_problems
from bridge.monitoring.status import read_overview
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import alerts, configs, expected
from bridge.system import ids
from bridge.worker.maintenance.scheduler import ShortJob


class AlertJob:
    """Compares the health conditions with the stored alerts. `clocks` returns how far the clock of
    each host is ahead, in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        clocks: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._settings = settings
        self._config = config
        self._database = database
        self._clocks = clocks
        self._found: Sequence[HealthProblem] = ()

    def job(self) -> ShortJob:
        """Return the job for the scheduler."""
        return ShortJob(
            "alerts",
            self._settings.timings.alert_check_seconds,
            self.store_changes,
            needed=self.find_conditions,
            quiet=True,
        )

    def find_conditions(self, connection: Connection) -> bool:
        """Find the conditions, while others may write; return whether to store anything."""
        now = read_overview(self._settings, self._database, self._config())
        self._found = find_problems(replace(now, clocks_ahead=self._clocks()))
        return bool(self._found or alerts.read(connection))

    def store_changes(self, connection: Connection, now: float) -> int:
        """Store the states of the alerts and, in the same transaction, an event for each
        notification; return how many.
        """
        stored = alerts.read(connection)
        present, notices = alert_states.update_alerts(
            stored, self._found, now, self._settings.timings
        )
        if present != stored:
            alerts.replace(connection, present.values())
        for notice in notices:
            store_alert(connection, notice, self._config(), now)
        return len(notices)


def expected_sources_job(config: Callable[[], Config], timings: Timings) -> ShortJob:
    """Return the job that stores since when each source with `expect` is expected to send."""

    def sources() -> set[str]:
        return {source.name for source in config().sources.values() if source.expect is not None}

    return ShortJob(
        "expected_sources",
        timings.alert_check_seconds,
        lambda connection, now: expected.keep(connection, sources(), now),
        quiet=True,
        needed=lambda connection: expected.since(connection).keys() != sources(),
    )


def store_alert(
    connection: Connection, notice: alert_states.Notice, config: Config, now: float
) -> Sequence[Delivery]:
    """Store the event of a notification with its deliveries, and return the deliveries."""
    event = alert_states.make_event(notice, ids.event_id(now), config.hash, now)
    configs.remember_config_within(connection, config.hash, config.canonical, now)
    planned = replan(event, config, now, "")
    return planned if events.add_one(connection, (event, planned)) else ()
