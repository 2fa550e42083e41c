"""A configuration whose files are given as texts. Nothing is read from the disk."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bridge.config.files import FileTracker


class GivenFiles(FileTracker):
    """Files by their path under the folder of routes.yaml, read as a disk is."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = {PurePosixPath(name): text for name, text in texts.items()}

    def read(self, file: Path, max_bytes: int) -> bytes:
        """Return the first `max_bytes` bytes of a given file; OSError for any other file."""
        text = self._texts.get(PurePosixPath(file))
        if text is None:
            raise FileNotFoundError(errno.ENOENT, "it is not among the given files")
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
