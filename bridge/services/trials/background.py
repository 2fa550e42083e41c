"""Trials in the background: begun by one request, and read by later ones of any receiver."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from bridge.core.errors import BridgeError, StoreError
from bridge.services.trials.results import DONE, FAILED, RUNNING, TrialFolder, TrialRecord
from bridge.services.trials.trial import TrialRequest, evaluate_request
from bridge.system.ids import trial_id
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

log = get_logger()


def begin_trial(settings: Settings, database: Database, request: TrialRequest) -> TrialRecord:
    """Begin a trial in a thread of this process, and return it. Raises `TrialBusy`."""
    folder = _folder(settings, database)
    now = time.time()
    folder.prune(now - settings.timings.trial_result_seconds)
    lock = folder.take()
    try:
        record = TrialRecord(id=trial_id(now), state=RUNNING, created_at=now)
        folder.write(record)
        work = threading.Thread(
            target=_carry_out,
            args=(settings, database, request, record, lock),
            name="trial",
            daemon=True,
        )
        work.start()
    except BaseException:
        os.close(lock)
        raise
    return record


def read_trial(settings: Settings, database: Database, id_: str) -> TrialRecord:
    """Return a trial. Raises `NotFound`, also for one that is older than results are stored."""
    folder = _folder(settings, database)
    folder.prune(time.time() - settings.timings.trial_result_seconds)
    return folder.read(id_)


def _folder(settings: Settings, database: Database) -> TrialFolder:
    return TrialFolder(settings.data, database.sealer)


def _carry_out(
    settings: Settings, database: Database, request: TrialRequest, record: TrialRecord, lock: int
) -> None:
    """Evaluate a trial, store its result, and free its place."""
    try:
        result = error = None
        try:
            result = evaluate_request(settings, database, request)
        except StoreError:
            error = "the store cannot be read"
        except BridgeError as failure:
            error = str(failure)
        except Exception as fault:
            error = "an unexpected error: see the log"
            log.error("trial_failed", exc_info=fault, id=record.id)
        _folder(settings, database).write(
            TrialRecord(
                id=record.id,
                state=DONE if error is None else FAILED,
                created_at=record.created_at,
                ended_at=time.time(),
                error=error,
                result=result,
            )
        )
    except Exception as fault:
        log.error("trial_failed", exc_info=fault, id=record.id)
    finally:
        os.close(lock)
