"""Files by what is in them: bytes under the name of their SHA-256, in the data folder.

The same bytes are one file, whoever keeps them, and a file never changes, so nothing has to be locked. Who owns what under which
name is the store's to know.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import BinaryIO

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of blobs; it is made when the first is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> str:
        """Keep bytes and return their SHA-256. When this returns they are on disk, whole; OSError where they cannot be."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            self._write(path, data)
        for folder in (path.parent, self.folder, self.folder.parent):  # they may be new, and the blob another's of this moment
            _sync(folder)
        return sha256

    def path(self, sha256: str) -> Path:
        """Return where the blob is, if there is one. For reading only."""
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("no SHA-256 in lower-case hexadecimal digits")
        return self.folder / sha256[:2] / sha256

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading; FileNotFoundError where there is none."""
        return self.path(sha256).open("rb")

    def read(self, sha256: str) -> bytes:
        """Return the bytes of a blob; FileNotFoundError where there is none."""
        return self.path(sha256).read_bytes()

    def room(self) -> int:
        """Return how many bytes the disk has left for us."""
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def _write(self, path: Path, data: bytes) -> None:
        """Write a draft and give it its name once it is on disk: whoever sees the name sees the whole."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
