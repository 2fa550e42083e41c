"""The files of an event, written to a folder: under names that lead nowhere else, and never over
what is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.cli.ui import output
from bridge.core.errors import BridgeError, NotFound
from bridge.core.multipart import file_name

if TYPE_CHECKING:
    from bridge.core.model import Event
    from bridge.store.blobs import Blobs

MOST: Final = 1000  # names that are tried for one file


def save_files(event: Event, blobs: Blobs, folder: Path, *, as_json: bool) -> bool:
    """Write the files of an event to a folder, which is made, and print where each is; return
    whether all were there to be written.

    `NotFound` where the event has none, `BridgeError` where one cannot be written.
    """
    if not event.files:
        raise NotFound(f"{event.id} has no files")
    is_whole = True
    for file in event.files:
        try:
            content = blobs.read(file.sha256)
        except OSError:
            is_whole = False
            output.say(
                f"the bytes of {output.clean(file.name)} are not in the data folder of this machine"
            )
            continue
        try:
            path = _write(folder, file.name, content)
        except OSError as error:
            raise BridgeError(f"nothing can be written to {folder}: {error.strerror}") from error
        (
            output.json_line(asdict(file) | {"path": str(path)})
            if as_json
            else output.answer(output.clean(str(path)))
        )
    return is_whole


def _write(folder: Path, called: str, content: bytes) -> Path:
    """Write a file that is new, not even through a link that somebody has put there, and return its
    path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _names(file_name(called)):
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
            (folder / name).unlink()  # no half of it
            raise
        return folder / name
    raise BridgeError(f"{folder} has {MOST} files of the name {called!r} already")


def _names(name: str) -> Iterator[str]:
    yield name
    path = Path(name)
    yield from (f"{path.stem}-{number}{path.suffix}" for number in range(2, MOST + 1))
