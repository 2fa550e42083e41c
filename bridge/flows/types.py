"""What flows.py names its special inputs by: an uploaded file, and the whole body of the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.flows.function import FlowError

LONGEST: Final = 255  # bytes of a file's name


class WebhookInput(str):
    """The whole body of the start, as one string."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. `path` is for reading only: the same bytes may be the file of others."""

    name: str
    path: Path
    size: int

    def read_bytes(self) -> bytes:
        """Return its bytes."""
        return self.path.read_bytes()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return its text."""
        return self.path.read_text(encoding)


def check_name(name: object) -> str:
    """Return a name that a file may be kept under; FlowError for any other."""
    if (
        not isinstance(name, str)
        or not name
        or name in (".", "..")
        or any(one in "/\\" or one < " " for one in name)
    ):
        raise FlowError(f"a file's name is wanted, without a folder: {str(name)[:100]!r} was given")
    if len(name.encode("utf-8", "replace")) > LONGEST:
        raise FlowError(f"a file's name has at most {LONGEST} bytes: {name[:100]!r}… has more")
    return name
