"""The registry of running bridges: a file for each in the data folder, locked by its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from bridge.config.addresses import Address

PRESENCE_FOLDER: Final = "running"
READ_TRIES: Final = 20


class Presence:
    """The file of one bridge. Raises `OSError` if the data folder is not writable.

    A process that is forked later closes its copy, which would hold the lock as long as it lives.
    """

    def __init__(self, data: Path) -> None:
        folder = data / PRESENCE_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        list_bridges(data)  # deletes the files of bridges that have ended
        self.path = folder / f"{os.getpid()}-{os.urandom(4).hex()}.json"
        # a draft, so that no process takes it for one that has ended before it is locked
        draft = self.path.with_suffix(".new")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "r+b", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.register_at_fork(after_in_child=self._file.close)
        draft.rename(self.path)
        self._said = b""

    def publish(self, what: dict[str, Any]) -> None:
        """Write the state of this bridge, if it has changed; a failure is retried next time."""
        raw = orjson.dumps(what)
        if raw == self._said:
            return
        with suppress(OSError):
            if os.pwrite(self._file.fileno(), raw, 0) == len(raw):
                os.ftruncate(self._file.fileno(), len(raw))
                self._said = raw

    def close(self) -> None:
        """Remove the file. May be called again."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def list_bridges(data: Path) -> list[dict[str, Any]]:
    """Return the states of the running bridges, and delete the files of those that have ended."""
    bridges = []
    for path in sorted((data / PRESENCE_FOLDER).glob("*.json")):
        with suppress(OSError):
            if (said := _read(path)) is not None:
                bridges.append(said)
    return bridges


def find_addresses(data: Path) -> tuple[Address, Address | None] | None:
    """Return the public and private addresses of the running receivers, None if none runs."""
    for bridge in reversed(list_bridges(data)):
        if bridge.get("bind"):
            bind = bridge["bind"]
            private = bridge.get("private_bind")
            return _address(bind), None if private is None else _address(private)
    return None


def _address(written: list[Any]) -> Address:
    return str(written[0]), int(written[1])


def _read(path: Path) -> dict[str, Any] | None:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            for _ in range(READ_TRIES):  # it may be in the middle of a write
                file.seek(0)
                with suppress(orjson.JSONDecodeError):
                    said: dict[str, Any] = orjson.loads(file.read())
                    return said
            return None
        path.unlink(missing_ok=True)
    return None
