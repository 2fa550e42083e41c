"""How old the newest backup is, and why there is none newer: for all who ask, without what makes
one, which is large.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.status import Backups
from bridge.system.state_file import recall, remember

BACKUP_NAME: Final = re.compile(r"flowbridge-\d{8}T\d{6}Z\.tar")
# in the data folder, for as long as tries to make a backup come to nothing
STATE_FILE: Final = "backup_failing.json"
MAX_ERROR_LENGTH: Final = 300  # characters of an error


@dataclass(frozen=True, slots=True)
class _FailedAttempts:
    """Tries that came to nothing: since when, when the last was noted, and why it failed, null
    where none has come to an end.
    """

    since: float
    at: float
    error: str | None = None


def list_backups(folder: Path) -> list[Path]:
    """Return the backups in a folder that have a name of ours, oldest first."""
    return sorted(one for one in folder.glob("flowbridge-*.tar") if BACKUP_NAME.fullmatch(one.name))


def newest_at(folder: Path) -> float | None:
    """Return when the newest backup in a folder was made; None where there is none, or the folder
    cannot be read.
    """
    try:
        there = list_backups(folder)
        return there[-1].stat().st_mtime if there else None
    except OSError:
        return None


def is_due(folder: Path, every: float) -> bool:
    """Tell whether the newest backup in a folder is older than so many seconds, or there is
    none.
    """
    newest = newest_at(folder)
    return newest is None or time.time() - newest >= every


def look(settings: Settings) -> Backups | None:
    """Return how it stands with backups; None on PostgreSQL, which has its own."""
    if not settings.database_url.startswith("sqlite"):
        return None
    newest = newest_at(settings.backups)
    tries = _read_failed(settings)
    return Backups(
        folder=str(settings.backups),
        every=settings.backup_every,
        newest_at=newest,
        tried_since=tries.since if tries else None,
        error=tries.error if tries else None,
    )


@contextmanager
def trying(settings: Settings) -> Iterator[None]:
    """Note that a backup is tried, and why it failed where it does; a try that is killed leaves
    since when there were any.
    """
    before = _read_failed(settings)
    now = time.time()
    since, error = (before.since, before.error) if before else (now, None)
    _write_failed(settings, _FailedAttempts(since, now, error))
    try:
        yield
    except Exception as fault:
        said = (
            str(fault)
            if isinstance(fault, (BridgeError, OSError))
            else f"a fault of flowbridge's own ({type(fault).__name__})"
        )
        _write_failed(settings, _FailedAttempts(since, time.time(), said[:MAX_ERROR_LENGTH]))
        raise
    (settings.data / STATE_FILE).unlink(missing_ok=True)


def _read_failed(settings: Settings) -> _FailedAttempts | None:
    """Return the tries since the newest backup, whoever made that."""
    found = recall(settings.data / STATE_FILE, _FailedAttempts)
    if found is None:
        return None
    newest = newest_at(settings.backups)
    return found if newest is None or newest < found.at else None


def _write_failed(settings: Settings, tries: _FailedAttempts) -> None:
    """Keep it; on a disk that is full there is another alert, and a backup is tried all the
    same.
    """
    with suppress(OSError):
        remember(settings.data / STATE_FILE, tries)
