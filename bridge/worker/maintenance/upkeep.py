"""All that is done now and then, for a worker: its chores, what is told of what is wrong, and its
errands.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.config.settings import Settings
from bridge.routing.model import Config
from bridge.store.db.clock import Clock
from bridge.store.db.database import Database
from bridge.worker.clock_skew import Clocks
from bridge.worker.maintenance.alerts import Alarm, expecting
from bridge.worker.maintenance.jobs import Errands
from bridge.worker.maintenance.scheduler import Housekeeper, chores


def housekeeper(
    settings: Settings, config: Callable[[], Config], database: Database, now: Clock, clocks: Clocks
) -> Housekeeper:
    """Return the scheduler of all maintenance jobs; it is not started yet."""
    alarm = Alarm(settings, config, database, clocks.ahead)
    rows = (*chores(settings.timings), expecting(config, settings.timings), alarm.chore())
    errands = Errands(settings, config, database, now)
    return Housekeeper(database, now, settings.timings.heartbeat_seconds, rows, errands)
