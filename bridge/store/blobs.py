"""Blobs: files in the data folder, named after the SHA-256 of their content.

Equal content is stored once, and a blob never changes, so no locks are needed. The database knows
the owners and the original names. With encryption keys the content is encrypted, and the file name
is a keyed hash of the SHA-256.
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
from bridge.store.encryption import HEADER_LENGTH, NO_ENCRYPTION, Sealer, key_id_of
from bridge.system.fsync import sync_path

#: Bytes of the disk that files leave free, for the database.
SPARE = 256 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """A folder of blobs; the first stored blob creates it."""

    def __init__(self, folder: Path, sealer: Sealer = NO_ENCRYPTION) -> None:
        self.folder = folder
        self._sealer = sealer

    @classmethod
    def of(cls, settings: Settings) -> BlobStore:
        """Return the blobs of the data folder, with its keys."""
        return cls(settings.data / "blobs", Sealer(settings.encryption_keys))

    def store(self, data: bytes | memoryview) -> str:
        """Store bytes durably and return their SHA-256. Raises OSError."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._store_at(sha256, data, self._places(sha256)[0])
        return sha256

    def _store_at(self, sha256: str, data: bytes | memoryview, path: Path) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._folder_lock(fcntl.LOCK_SH):
            try:
                os.utime(path)  # it has an owner again: see `sweep`
            except FileNotFoundError:
                self._write(
                    path,
                    (
                        data
                        if path.name == sha256
                        else self._sealer.seal(bytes(data), *_authenticated_name(sha256))
                    ),
                )
        # The folders may be new, and another process may have just written the blob.
        for folder in (path.parent, self.folder, self.folder.parent):
            sync_path(folder)

    def path(self, sha256: str) -> Path:
        """Return the path of a blob, encrypted or not; if there is none, its plaintext path."""
        places = self._places(sha256)
        return next((path for path in places if path.exists()), places[-1])

    def is_sealed(self, path: Path, sha256: str) -> bool:
        """Return whether the file of a blob is encrypted."""
        return path.name != sha256

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading. Raises FileNotFoundError, or OSError if decryption fails."""
        path = self.path(sha256)
        return (
            io.BytesIO(self._decrypted(path, sha256))
            if self.is_sealed(path, sha256)
            else path.open("rb")
        )

    def read(self, sha256: str) -> bytes:
        """Return a blob's bytes. Raises FileNotFoundError, or OSError if decryption fails."""
        path = self.path(sha256)
        return self._decrypted(path, sha256) if self.is_sealed(path, sha256) else path.read_bytes()

    def _decrypted(self, path: Path, sha256: str) -> bytes:
        try:
            return self._sealer.open(path.read_bytes(), *_authenticated_name(sha256))
        except StoreError as error:
            raise OSError(errno.EIO, str(error)) from error

    def _places(self, sha256: str) -> list[Path]:
        """Return the possible paths of a blob: encrypted with each key in order, then plaintext."""
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("not a SHA-256 in lower-case hexadecimal digits")
        return [self.folder / name[:2] / name for name in (*self._sealer.names(sha256), sha256)]

    def reseal(self, sha256: str, *, clear: bool = False) -> bool:
        """Encrypt a blob with the first key, or decrypt it for `clear`; return whether it changed.

        Raises OSError.
        """
        place, others = self._misplaced(sha256, clear=clear)
        if others:
            self._store_at(sha256, self.read(sha256), place)
        for path in others:
            path.unlink(missing_ok=True)
        return bool(others)

    def needs_resealing(self, sha256: str, *, clear: bool = False) -> bool:
        """Return whether `reseal` would change the blob."""
        return bool(self._misplaced(sha256, clear=clear)[1])

    def _misplaced(self, sha256: str, *, clear: bool) -> tuple[Path, list[Path]]:
        """Return where a blob should be, and where else it is."""
        places = self._places(sha256)
        place = places[-1] if clear else places[0]
        return place, [path for path in places if path != place and path.exists()]

    def keys(self) -> Iterator[str | None]:
        """Yield for every file the id of its encryption key; None for plaintext."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                with path.open("rb") as file:
                    key = key_id_of(file.read(HEADER_LENGTH))
                # Plaintext from a sender may begin as an encrypted file does; its name is then
                # the digest of its content.
                yield (
                    None
                    if key is not None
                    and hashlib.sha256(path.read_bytes()).hexdigest() == path.name
                    else key
                )

    def sweep(self, owned: Callable[[], Set[str]], before: float) -> tuple[int, int]:
        """Delete old blobs without an owner; return how many, and their total size.

        Old means last stored before `before`. `owned` returns the digests of all blobs with owners.
        It is called after the old blobs are listed, so a blob that is being stored just now can be
        missing only if it is young. Drafts left by a crash are deleted as well. Nothing is deleted
        while `prevent_deletion` is active.
        """
        old = list(self._stored_before(before))
        owned_names = {
            path.name for digest in (owned() if old else ()) for path in self._places(digest)
        }
        gone = [
            size
            for path, size in old
            if path.name not in owned_names and self._delete(path, before)
        ]
        return len(gone), sum(gone)

    def discard(self, digests: Set[str], before: float) -> set[str]:
        """Delete blobs without an owner that were last stored before a time; return the others."""
        return {
            digest
            for digest in digests
            if not all(self._delete(path, before) for path in self._places(digest) if path.exists())
        }

    def _delete(self, path: Path, before: float) -> bool:
        """Delete a blob unless one is being stored, or it was stored again since the check."""
        with (
            self._folder_lock(fcntl.LOCK_EX | fcntl.LOCK_NB) as is_locked,
            suppress(FileNotFoundError),
        ):
            if is_locked and path.stat().st_mtime < before:
                path.unlink()
                return True
        return False

    @contextmanager
    def prevent_deletion(self) -> Iterator[None]:
        """Prevent the deletion of blobs for as long as the block runs."""
        if not self.folder.exists():
            yield
            return
        with self._folder_lock(fcntl.LOCK_SH):
            yield

    @contextmanager
    def _folder_lock(self, how: int) -> Iterator[bool]:
        """Lock the folder, shared to store, exclusive to delete; yield whether it is locked."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, how)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def _stored_before(self, before: float) -> Iterator[tuple[Path, int]]:
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if status.st_mtime < before:
                    yield path, status.st_size

    def free_bytes(self) -> int:
        """Return the free bytes on the disk."""
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes fit, with the space that stays free for the database."""
        return self.free_bytes() >= SPARE + size

    def _write(self, path: Path, data: bytes | memoryview) -> None:
        """Write a draft, and rename it once it is durable: readers see complete files only."""
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
    """Return what an encrypted blob is bound to: table, column and name."""
    return "blob", "bytes", sha256
