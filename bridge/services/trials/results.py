"""The results of trials: a few files below the data folder, encrypted as the store is.

All receivers of a machine share them. Only one trial is evaluated at once: a lock of the kernel,
which ends with its process, so that a trial whose process died is not waited for.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from bridge.core.errors import BridgeError, NotFound, StoreError
from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.system.ids import TRIAL_PREFIX

if TYPE_CHECKING:
    from bridge.store.encryption import Sealer

FOLDER_NAME: Final = "trials"
LOCK_NAME: Final = "lock"
MAX_RESULTS: Final = 20
RUNNING: Final = "running"
DONE: Final = "done"
FAILED: Final = "failed"
STATES: Final = (RUNNING, DONE, FAILED)
INTERRUPTED: Final = "it was interrupted: the process that evaluated it ended"
_ID: Final = re.compile(TRIAL_PREFIX + r"[0-9a-z]{26}")


class TrialBusy(BridgeError):
    """Another trial is being evaluated on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial and its result, null while it runs, and where it failed. `error`: why it failed."""

    id: str
    state: str
    created_at: float
    ended_at: float | None = None
    error: str | None = None
    result: Mapping[str, JSON] | None = None


class TrialFolder:
    """The folder of the results."""

    def __init__(self, data: Path, sealer: Sealer) -> None:
        self._path = data / FOLDER_NAME
        self._sealer = sealer

    def take(self) -> int:
        """Take the only place for a trial, and return the descriptor that holds it."""
        with _writing():
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise TrialBusy("another trial is being evaluated") from None
        return lock

    def write(self, record: TrialRecord) -> None:
        """Store a trial, in place of its earlier state. Raises `StoreError`."""
        shape = {field.name: getattr(record, field.name) for field in fields(record)}
        sealed = self._sealer.seal(write_json(shape), FOLDER_NAME, "result", record.id)
        file = self._path / record.id
        draft = file.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with _writing():
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as opened:
                opened.write(sealed)
            draft.replace(file)

    def read(self, trial_id: str) -> TrialRecord:
        """Return a trial. Raises `NotFound`, and `StoreError` where it cannot be decrypted."""
        record = self._read(trial_id)
        if record.state == RUNNING and not self._is_taken():
            record = self._read(trial_id)  # it may have ended meanwhile
            if record.state == RUNNING:
                return TrialRecord(
                    id=record.id, state=FAILED, created_at=record.created_at, error=INTERRUPTED
                )
        return record

    def prune(self, before: float) -> int:
        """Delete the results that are older than a time, and all but the newest 20."""
        names = sorted(self._names(), reverse=True)  # ids sort by time
        deleted = 0
        for number, name in enumerate(names):
            file = self._path / name
            with suppress(FileNotFoundError):
                if number >= MAX_RESULTS or file.stat().st_mtime < before:
                    file.unlink()
                    deleted += 1
        return deleted

    def _names(self) -> list[str]:
        try:
            names = [file.name for file in self._path.iterdir()]
        except FileNotFoundError:
            return []
        return [name for name in names if name != LOCK_NAME]

    def _read(self, trial_id: str) -> TrialRecord:
        missing = NotFound(
            f"there is no trial {trial_id[:40]!r}; the newest {MAX_RESULTS} are stored, for an hour"
        )
        if not _ID.fullmatch(trial_id):
            raise missing
        try:
            raw = (self._path / trial_id).read_bytes()
        except FileNotFoundError:
            raise missing from None
        return TrialRecord(**orjson.loads(self._sealer.open(raw, FOLDER_NAME, "result", trial_id)))

    def _is_taken(self) -> bool:
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _open_lock(self) -> int:
        return os.open(self._path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the data folder cannot be written: {error.strerror}") from error
