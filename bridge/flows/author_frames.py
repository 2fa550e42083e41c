"""The frames of an error in the author's code: file, line and function, never a value. Pure."""

from __future__ import annotations

import os.path
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bridge

MAX_AUTHOR_FRAMES: Final = 20  # of one error, the newest
#: Folders of other code: a virtual environment or flowbridge may be in the folder of flows.py.
_OTHER_FOLDERS: Final = tuple(
    {
        str(Path(bridge.__file__).parent),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)


@dataclass(frozen=True, slots=True)
class AuthorFrame:
    """A frame of the author's code. `file` is relative to the folder of flows.py."""

    file: str
    line: int
    function: str

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line}"


def list_author_frames(error: BaseException, folder: Path | None) -> list[AuthorFrame]:
    """Return the newest frames of an error in files below `folder`, the place of the error last."""
    if folder is None:
        return []
    top = _normalize(folder)
    frames = [
        AuthorFrame(os.path.relpath(file, top), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_below(file := _normalize(frame.f_code.co_filename), top)
        and not any(_is_below(file, other) for other in _OTHER_FOLDERS)
    ]
    return frames[-MAX_AUTHOR_FRAMES:]


def _normalize(path: str | Path) -> str:
    return os.path.normpath(Path(path).absolute())


def _is_below(file: str, folder: str) -> bool:
    return file.startswith(folder.rstrip(os.sep) + os.sep)
