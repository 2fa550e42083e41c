"""A configuration whose files are given as texts. Nothing is read from the disk."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from bridge.config.files import FileTracker

SENT_FILES: Final = "only files that are sent with the text are read"
SENT_OR_USED_FILES: Final = (
    "only files that are sent with the text, and those of the configuration in use, are read"
)


class GivenFiles(FileTracker):
    """Files by their path under the folder of routes.yaml, read as a disk is.

    `rule`: the message about any other file.
    """

    def __init__(self, texts: Mapping[str, str], rule: str = SENT_FILES) -> None:
        super().__init__()
        self._rule = rule
        self._texts = {PurePosixPath(name): text for name, text in texts.items()}

    def read(self, file: Path, max_bytes: int) -> bytes:
        """Return the first `max_bytes` bytes of a given file; OSError for any other file."""
        text = self._texts.get(PurePosixPath(file))
        if text is None:
            raise FileNotFoundError(errno.ENOENT, self._rule)
        return text.encode()[:max_bytes]

    def find_files(self, folder: Path, pattern: str) -> list[Path]:  # noqa: ARG002 - all are in one folder
        """Return the given files whose names match a pattern."""
        depth = len(PurePosixPath(pattern).parts)
        return sorted(
            Path(name) for name in self._texts if len(name.parts) == depth and name.match(pattern)
        )

    def is_inside(self, folder: Path, name: str) -> bool:  # noqa: ARG002 - all are in one folder
        """Return whether `name` stays inside the folder."""
        return ".." not in PurePosixPath(name).parts
