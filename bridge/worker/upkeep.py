"""All that is done now and then, for a worker: its chores, what is told of what is wrong, and its errands."""

from __future__ import annotations

from collections.abc import Callable

from bridge.routes import Config
from bridge.settings import Settings
from bridge.store.clock import Clock
from bridge.store.database import Database
from bridge.worker.alarm import Alarm, expecting
from bridge.worker.clocks import Clocks
from bridge.worker.errands import Errands
from bridge.worker.housekeeping import CHORES, Housekeeper


def housekeeper(settings: Settings, config: Callable[[], Config], database: Database, now: Clock, beat: float,
                clocks: Clocks) -> Housekeeper:  # fmt: skip
    """Return who does it, looking every `beat` seconds; it is not started yet."""
    chores = (*CHORES, expecting(config), Alarm(settings, config, database, clocks.ahead).chore())
    return Housekeeper(database, now, beat, chores, Errands(settings, config, database, now))
