"""The files of a configuration as one reading found them: what was asked of the disk, and how it
would answer now.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Callable
from pathlib import Path

Answer = object  # what tells two answers apart: a digest, an error number, a list of names


class NotRegular(OSError):
    """What is to be read again is a pipe or the like, which can be read once."""


class Disk:
    """Answers by the disk, and remembers each question with what tells its answer apart. What is
    missing is an answer too.

    `again`: it is read again and again, so that what can be read but once, such as a pipe, is an
    error.
    """

    def __init__(self, *, again: bool = False) -> None:
        self._again = again
        self._asked: dict[tuple[Callable[..., Answer], tuple[object, ...]], Answer] = {}

    def read(self, file: Path, most: int) -> bytes:
        """Return the first `most` bytes of a file; OSError where it cannot be read."""
        try:
            if self._again and not stat.S_ISREG(file.stat().st_mode):
                raise NotRegular(errno.EINVAL, "it is no regular file, so it cannot be read again")
            raw = _read(file, most)
        except OSError as error:
            self._asked[_content, (file, most)] = error.errno
            raise
        self._asked[_content, (file, most)] = _digest(raw)
        return raw

    def names(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files under `folder` whose names fit a pattern."""
        found = _names(folder, pattern)
        self._asked[_names, (folder, pattern)] = found
        return found

    def holds(self, folder: Path, name: str) -> bool:
        """Tell whether `name` stays under `folder`, through links too; OSError or ValueError where
        it is no name of a file.
        """
        found = _holds(folder, name)
        self._asked[_holds, (folder, name)] = found
        return found

    def has_changed(self) -> bool:
        """Tell whether any answer would be another now."""
        return any(_now(question, of) != answer for (question, of), answer in self._asked.items())


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(most)


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()  # what is remembered may be of a secret


def _content(file: Path, most: int) -> Answer:
    if not stat.S_ISREG(file.stat().st_mode):
        return errno.EINVAL
    return _digest(_read(file, most))


def _names(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _holds(folder: Path, name: str) -> bool:
    root = folder.resolve()
    return (root / name).resolve().is_relative_to(root)


def _now(question: Callable[..., Answer], of: tuple[object, ...]) -> Answer:
    try:
        return question(*of)
    except OSError as error:
        return error.errno
    except (ValueError, RuntimeError, NotImplementedError) as error:
        return type(error)
