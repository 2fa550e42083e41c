"""Files by what is in them: bytes under the name of their SHA-256, in the data folder.

The same bytes are one file, whoever keeps them, and what a blob says never changes, so nothing has
to be locked. Who owns what under which name is the store's to know. Where there are keys the bytes
are sealed, and the name is one that only who has the key can make of the SHA-256.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bridge.config.settings import Settings
from bridge.core.errors import StoreError
from bridge.store.encryption import HEADER_LENGTH, NO_ENCRYPTION, Sealer, sealed_with

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of blobs; it is made when the first is kept."""

    def __init__(self, folder: Path, sealer: Sealer = NO_ENCRYPTION) -> None:
        self.folder = folder
        self._sealer = sealer

    @classmethod
    def of(cls, settings: Settings) -> Blobs:
        """Return the blobs of the data folder, with its keys."""
        return cls(settings.data / "blobs", Sealer(settings.encryption_keys))

    def keep(self, data: bytes | memoryview) -> str:
        """Keep bytes and return their SHA-256. When this returns they are on disk, whole; OSError
        where they cannot be.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self._keep(sha256, data, self._places(sha256)[0])
        return sha256

    def _keep(self, sha256: str, data: bytes | memoryview, path: Path) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._holding(fcntl.LOCK_SH):
            try:
                os.utime(path)  # it is somebody's again: see `sweep`
            except FileNotFoundError:
                self._write(
                    path,
                    (
                        data
                        if path.name == sha256
                        else self._sealer.seal(bytes(data), *_authenticated_name(sha256))
                    ),
                )
        # they may be new, and the blob another's of this moment
        for folder in (path.parent, self.folder, self.folder.parent):
            sync_directory(folder)

    def path(self, sha256: str) -> Path:
        """Return the file of the blob, sealed or not; where there is none, that of one in clear."""
        places = self._places(sha256)
        return next((path for path in places if path.exists()), places[-1])

    def is_sealed(self, path: Path, sha256: str) -> bool:
        """Tell whether the file of a blob holds it sealed."""
        return path.name != sha256

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading; FileNotFoundError where there is none, OSError where it cannot
        be opened.
        """
        path = self.path(sha256)
        return (
            io.BytesIO(self._unsealed(path, sha256))
            if self.is_sealed(path, sha256)
            else path.open("rb")
        )

    def read(self, sha256: str) -> bytes:
        """Return the bytes of a blob; FileNotFoundError where there is none, OSError where they
        cannot be opened.
        """
        path = self.path(sha256)
        return self._unsealed(path, sha256) if self.is_sealed(path, sha256) else path.read_bytes()

    def _unsealed(self, path: Path, sha256: str) -> bytes:
        try:
            return self._sealer.open(path.read_bytes(), *_authenticated_name(sha256))
        except StoreError as error:
            raise OSError(errno.EIO, str(error)) from error

    def _places(self, sha256: str) -> list[Path]:
        """Where a blob may be: sealed with one of the keys, the first of them first, or in
        clear.
        """
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("no SHA-256 in lower-case hexadecimal digits")
        return [self.folder / name[:2] / name for name in (*self._sealer.names(sha256), sha256)]

    def reseal(self, sha256: str, *, clear: bool = False) -> bool:
        """Have a blob sealed with the first key, or kept in clear; return whether it was not so.
        OSError where it cannot be.
        """
        wanted, others = self._misplaced(sha256, clear=clear)
        if others:
            self._keep(sha256, self.read(sha256), wanted)
        for path in others:
            path.unlink(missing_ok=True)
        return bool(others)

    def needs_resealing(self, sha256: str, *, clear: bool = False) -> bool:
        """Tell whether `reseal` would change something."""
        return bool(self._misplaced(sha256, clear=clear)[1])

    def _misplaced(self, sha256: str, *, clear: bool) -> tuple[Path, list[Path]]:
        """Return where a blob should be, and where else it is."""
        places = self._places(sha256)
        wanted = places[-1] if clear else places[0]
        return wanted, [path for path in places if path != wanted and path.exists()]

    def keys(self) -> Iterator[str | None]:
        """Yield of every file the id of the key that it is sealed with, null for one in clear."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                with path.open("rb") as file:
                    key = sealed_with(file.read(HEADER_LENGTH))
                # What somebody has sent may begin as a sealed file does: in clear it has the name
                # of what is in it.
                yield (
                    None
                    if key is not None
                    and hashlib.sha256(path.read_bytes()).hexdigest() == path.name
                    else key
                )

    def sweep(self, owned: Callable[[], Set[str]], before: float) -> tuple[int, int]:
        """Delete blobs that nobody owns and that were last kept before a time; return how many, and
        their bytes.

        `owned` is asked for the digests of all that are owned once it is known which are old, so
        that one that is being kept just now is missed by it only where it is young. Drafts that a
        crash has left go too. Nothing is deleted where the blobs are to be `still`.
        """
        old = list(self._kept_before(before))
        known = {path.name for digest in (owned() if old else ()) for path in self._places(digest)}
        gone = [size for path, size in old if path.name not in known and self._delete(path, before)]
        return len(gone), sum(gone)

    def discard(self, digests: Set[str], before: float) -> set[str]:
        """Delete these, which nobody owns, where they were last kept before a time; return those
        that are still there.
        """
        return {
            one
            for one in digests
            if not all(self._delete(path, before) for path in self._places(one) if path.exists())
        }

    def _delete(self, path: Path, before: float) -> bool:
        """Delete a blob unless somebody is keeping one at this moment, or has kept it again since
        it was looked at.
        """
        with self._holding(fcntl.LOCK_EX | fcntl.LOCK_NB) as may, suppress(FileNotFoundError):
            if may and path.stat().st_mtime < before:
                path.unlink()
                return True
        return False

    @contextmanager
    def still(self) -> Iterator[None]:
        """Have no blob deleted meanwhile."""
        if not self.folder.exists():
            yield
            return
        with self._holding(fcntl.LOCK_SH):
            yield

    @contextmanager
    def _holding(self, how: int) -> Iterator[bool]:
        """Hold the folder, as many do who keep, or as the one who deletes; give whether that may
        be.
        """
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, how)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def _kept_before(self, before: float) -> Iterator[tuple[Path, int]]:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                known = path.stat()
                if known.st_mtime < before:
                    yield path, known.st_size

    def room(self) -> int:
        """Return how many bytes the disk has left for us."""
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def _write(self, path: Path, data: bytes | memoryview) -> None:
        """Write a draft and give it its name once it is on disk: whoever sees the name sees the
        whole.
        """
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


def _authenticated_name(sha256: str) -> tuple[str, str, str]:
    """What a sealed blob is bound to."""
    return "blob", "bytes", sha256


def sync_directory(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
