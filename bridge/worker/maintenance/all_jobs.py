"""The maintenance jobs of a worker: short ones, alerts, trends, and long ones."""

from __future__ import annotations

from collections.abc import Callable

from bridge.config.settings import Settings
from bridge.routing.model import Config
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.worker.clock_skew import HostClocks
from bridge.worker.maintenance.alerts import AlertJob, expected_sources_job
from bridge.worker.maintenance.jobs import LongJobs
from bridge.worker.maintenance.scheduler import Scheduler, short_jobs
from bridge.worker.maintenance.trends import TrendJobs


def make_scheduler(
    settings: Settings,
    config: Callable[[], Config],
    database: Database,
    now: DatabaseClock,
    clocks: HostClocks,
) -> Scheduler:
    """Return the scheduler of all maintenance jobs; it is not started yet."""
    alerts = AlertJob(settings, config, database, clocks.seconds_ahead)
    rows = (
        *short_jobs(settings.timings),
        expected_sources_job(config, settings.timings),
        alerts.job(),
        *TrendJobs(settings.data, now).jobs(),
    )
    long_jobs = LongJobs(settings, config, database, now)
    return Scheduler(database, now, settings.timings.heartbeat_seconds, rows, long_jobs)
