"""Saving the files of an event to a folder: under safe names, and without overwriting any file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.errors import BridgeError, NotFound
from bridge.core.multipart import sanitize_file_name

if TYPE_CHECKING:
    from bridge.core.model import JSON, FormFile
    from bridge.store.blobs import BlobStore

MAX_NAMES: Final = 1000  # tried for one file


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of an event and its path, None where its bytes are not in the data folder of this
    machine.
    """

    file: FormFile
    path: Path | None

    def as_json(self) -> dict[str, JSON]:
        """Return it in the shape of `show --save --json`."""
        return asdict(self.file) | {"path": None if self.path is None else str(self.path)}


@dataclass(frozen=True, slots=True)
class EventFiles:
    """The files of an event. `read` returns the bytes of one, None where they are not stored.

    `alert_id`: an alert of flowbridge itself that is newer, if the newest event was asked for.
    """

    event_id: str
    files: Sequence[FormFile]
    read: Callable[[FormFile], bytes | None]
    alert_id: str | None = None


def read_stored(blobs: BlobStore) -> Callable[[FormFile], bytes | None]:
    """Return the function that reads a file from the data folder of this machine."""

    def read(file: FormFile) -> bytes | None:
        try:
            return blobs.read(file.sha256)
        except OSError:
            return None

    return read


def save_files(event_files: EventFiles, folder: Path) -> Iterator[SavedFile]:
    """Write the files of an event to a folder, which is created, and yield each.

    `NotFound` where the event has none, `BridgeError` where one cannot be written.
    """
    if not event_files.files:
        raise NotFound(f"{event_files.event_id} has no files")
    for file in event_files.files:
        content = event_files.read(file)
        if content is None:
            yield SavedFile(file, None)
            continue
        try:
            path = _write(folder, file.name, content)
        except OSError as error:
            raise BridgeError(f"cannot write to {folder}: {error.strerror}") from error
        yield SavedFile(file, path)


def _write(folder: Path, called: str, content: bytes) -> Path:
    """Write a new file, never through a link that another user has put there; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _names(sanitize_file_name(called)):
        try:
            descriptor = os.open(
                folder / name,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
            )
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        except OSError:
            (folder / name).unlink()  # leave no partial file
            raise
        return folder / name
    raise BridgeError(f"{folder} already has {MAX_NAMES} files named {called!r}")


def _names(name: str) -> Iterator[str]:
    yield name
    path = Path(name)
    yield from (f"{path.stem}-{number}{path.suffix}" for number in range(2, MAX_NAMES + 1))
