"""The deletion of the results of trials that are too old."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

from bridge.config.settings import load_settings
from bridge.routing.model import Config
from bridge.services.trials.results import DONE, TrialFolder, TrialRecord
from bridge.store.db.database import Database
from bridge.system.ids import trial_id
from bridge.worker.maintenance.jobs import LONG_JOBS, JobContext, delete_trial_results

NO_CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")


def test_old_results_are_deleted(store: Database, folder: Path) -> None:
    assert "trials" in {one.name for one in LONG_JOBS}
    settings = load_settings({}, secrets=False)
    context = JobContext(settings, NO_CONFIG, store, time.time(), threading.Event())
    assert delete_trial_results(context) == Counter(deleted=0)
    place = TrialFolder(settings.data, store.sealer)
    now = time.time()
    made = [TrialRecord(id=trial_id(now + n), state=DONE, created_at=now) for n in range(2)]
    with os.fdopen(place.take()):
        for one in made:
            place.write(one)
    os.utime(settings.data / "trials" / made[0].id, (now - 4000, now - 4000))
    assert delete_trial_results(context) == Counter(deleted=1)
    assert place.read(made[1].id) == made[1]
