"""The status of a bridge: the store, the processes and the machine, as a record and JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.model import JSON
from bridge.monitoring.conditions import HealthProblem, find_problems
from bridge.monitoring.status import read_overview
from bridge.services.records.status_records import CONDITION, STATUS

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.status import Overview
    from bridge.store.db.database import Database


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The overview of a bridge. `store`: the database and its version. `found`: the conditions that
    need attention. `python`: the version of Python. `file`: the path of routes.yaml.
    """

    overview: Overview
    store: str
    found: Sequence[HealthProblem]
    python: str
    file: str

    def problems_as_json(self) -> list[dict[str, JSON]]:
        """Return the conditions that need attention, each with the next step."""
        return [CONDITION.write(problem) for problem in self.found]

    def as_json(self) -> dict[str, JSON]:
        """Return the report in the shape of `status --json`."""
        return STATUS.write(self)


def read_status(
    settings: Settings, database: Database | None, overview: Overview | None = None
) -> StatusReport:
    """Return the status of the bridge, from its store and the processes of this machine.

    Neither a store nor a running process is required. `overview`: one that was read shortly before.
    """
    from bridge.store.operations import checkup

    store = "no database yet"
    if database is not None:
        with database.read() as connection:
            store = checkup.read_version(connection, database)
    now = overview or read_overview(settings, database)
    file = str(settings.config.absolute())
    return StatusReport(now, store, find_problems(now), platform.python_version(), file)
