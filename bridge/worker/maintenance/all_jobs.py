"""The maintenance jobs of a worker: short ones, alerts, numbers, long ones, and operations."""

from __future__ import annotations

from collections.abc import Callable

from bridge.config.settings import Settings
from bridge.routing.model import Config
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.worker.clock_skew import HostClocks
from bridge.worker.maintenance.alerts import AlertJob, expected_sources_job
from bridge.worker.maintenance.daily_events import DailyEventsJob
from bridge.worker.maintenance.jobs import LongJobs
from bridge.worker.maintenance.operations import OperationRunner
from bridge.worker.maintenance.scheduler import Scheduler, short_jobs
from bridge.worker.maintenance.trends import TrendJobs


def make_scheduler(
    settings: Settings,
    config: Callable[[], Config],
    database: Database,
    now: DatabaseClock,
    clocks: HostClocks,
    wake: Callable[[], None] = lambda: None,
) -> Scheduler:
    """Return the scheduler of all maintenance jobs, not started. `wake` wakes the worker."""
    alerts = AlertJob(settings, config, database, clocks.seconds_ahead)
    rows = (
        *short_jobs(settings.timings),
        expected_sources_job(config, settings.timings),
        alerts.job(),
        *TrendJobs(settings.data, now).jobs(),
        DailyEventsJob(now).job(),
    )
    threads = (
        LongJobs(settings, config, database, now),
        OperationRunner(settings, config, database, now, wake),
    )
    return Scheduler(database, now, settings.timings.heartbeat_seconds, rows, threads)
