"""The age of the newest backup, and the error of failed attempts.

It does not import the code that makes backups, which is large.
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
from bridge.core.status import BackupStatus
from bridge.system.state_file import read_state, write_state

BACKUP_NAME: Final = re.compile(r"flowbridge-\d{8}T\d{6}Z\.tar")
# in the data folder, while attempts fail
STATE_FILE: Final = "backup_failing.json"
MAX_ERROR_LENGTH: Final = 300  # characters of an error


@dataclass(frozen=True, slots=True)
class _FailedAttempts:
    """Failed attempts: since when, the time of the last one, and its error if it was recorded."""

    since: float
    at: float
    error: str | None = None


def list_backups(folder: Path) -> list[Path]:
    """Return the backups in a folder that flowbridge named, oldest first."""
    return sorted(
        path for path in folder.glob("flowbridge-*.tar") if BACKUP_NAME.fullmatch(path.name)
    )


def newest_at(folder: Path) -> float | None:
    """Return the time of the newest backup in a folder; None without one or on a read error."""
    try:
        backups = list_backups(folder)
        return backups[-1].stat().st_mtime if backups else None
    except OSError:
        return None


def is_due(folder: Path, every: float) -> bool:
    """Return whether the newest backup is older than `every` seconds, or there is none."""
    newest = newest_at(folder)
    return newest is None or time.time() - newest >= every


def read_status(settings: Settings) -> BackupStatus | None:
    """Return the status of backups; None on PostgreSQL, which has its own."""
    if not settings.database_url.startswith("sqlite"):
        return None
    newest = newest_at(settings.backups)
    tries = _read_failed(settings)
    return BackupStatus(
        folder=str(settings.backups),
        every=settings.backup_every,
        newest_at=newest,
        tried_since=tries.since if tries else None,
        error=tries.error if tries else None,
    )


@contextmanager
def record_attempt(settings: Settings) -> Iterator[None]:
    """Record an attempt to make a backup, and its error if it fails.

    An attempt that is killed stays recorded as failed.
    """
    before = _read_failed(settings)
    now = time.time()
    since, error = (before.since, before.error) if before else (now, None)
    _write_failed(settings, _FailedAttempts(since, now, error))
    try:
        yield
    except Exception as fault:
        message = (
            str(fault)
            if isinstance(fault, (BridgeError, OSError))
            else f"an internal error ({type(fault).__name__})"
        )
        _write_failed(settings, _FailedAttempts(since, time.time(), message[:MAX_ERROR_LENGTH]))
        raise
    (settings.data / STATE_FILE).unlink(missing_ok=True)


def _read_failed(settings: Settings) -> _FailedAttempts | None:
    """Return the failed attempts since the newest backup, whichever process made that one."""
    failed = read_state(settings.data / STATE_FILE, _FailedAttempts)
    if failed is None:
        return None
    newest = newest_at(settings.backups)
    return failed if newest is None or newest < failed.at else None


def _write_failed(settings: Settings, tries: _FailedAttempts) -> None:
    """Store the failed attempts. A full disk has its own alert, and the attempt goes on."""
    with suppress(OSError):
        write_state(settings.data / STATE_FILE, tries)
