"""Types of special inputs in flows.py: an uploaded file, and the whole body of the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.flows.errors import FlowError

MAX_SAVED_FILES: Final = (
    1000  # of a run: their names are stored with its result, in one transaction
)
MAX_SAVED_NAME_BYTES: Final = 255


class WebhookInput(str):
    """The whole body of the start, as one string."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. Do not write to `path`: files with the same bytes share it."""

    name: str
    path: Path
    size: int

    def read_bytes(self) -> bytes:
        """Return the content as bytes."""
        return self.path.read_bytes()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content as text."""
        return self.path.read_text(encoding)


def check_file_name(name: object) -> str:
    """Return a valid name for a saved file. Raise FlowError for any other."""
    if (
        not isinstance(name, str)
        or not name
        or name in (".", "..")
        or any(char in "/\\" or char < " " for char in name)
    ):
        raise FlowError(f"{str(name)[:100]!r} is not a file name; use a name without a folder")
    if len(name.encode("utf-8", "replace")) > MAX_SAVED_NAME_BYTES:
        raise FlowError(
            f"the file name {name[:100]!r}… is longer than {MAX_SAVED_NAME_BYTES} bytes"
        )
    return name
