"""Saves the files of a run, within limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bridge.flows.errors import FlowError
from bridge.flows.types import MAX_SAVED_FILES
from bridge.store.blobs import BlobStore


class FileSaver:
    """Saves files of one run; each is reported with its name, SHA-256 and size."""

    def __init__(
        self,
        data_dir: Path,
        report: Callable[[str, str, int], None],
        *,
        max_files: int = MAX_SAVED_FILES,
    ) -> None:
        self._blobs = BlobStore(data_dir / "blobs")
        self._report = report
        self._max_files = max_files
        self._names: set[str] = set()

    def __call__(self, name: str, data: bytes) -> None:
        """Save a file, in the place of an earlier one of that name. Raises `FlowError`."""
        if len(self._names | {name}) > self._max_files:
            raise FlowError(f"file {name!r}: a run can save at most {self._max_files:,} files")
        try:
            if not self._blobs.has_room(len(data)):
                raise FlowError(f"file {name!r} cannot be saved: the disk is nearly full")
            sha256 = self._blobs.store(data)
        except OSError as error:
            raise FlowError(f"file {name!r} cannot be saved: {error.strerror}") from error
        self._names.add(name)
        self._report(name, sha256, len(data))
