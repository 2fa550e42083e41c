"""A trial that its caller waits for: the result is returned, and nothing is stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bridge.core.model import JSON
from bridge.services.trials.results import TrialFolder
from bridge.services.trials.trial import TrialRequest, evaluate_request

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database


def evaluate_now(settings: Settings, database: Database, request: TrialRequest) -> dict[str, JSON]:
    """Return the result of a trial. Raises `TrialBusy` while the machine evaluates another one.

    Raises `TrialFailed` for one that has no result, also after a time that a reader can wait.
    """
    lock = TrialFolder(settings.data, database.sealer).take()
    try:
        return evaluate_request(settings, database, request, settings.timings.playground_seconds)
    finally:
        os.close(lock)
