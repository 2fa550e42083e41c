"""Files in the folder `files` of the data folder, locked and written durably.

No name leads out of the folder, and each file has one writer at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from bridge.flows.errors import FlowError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that is locked for writing. `size` is its size at opening."""

    folder: int  #: the descriptor of the folder it is in
    name: str
    descriptor: int
    size: int

    def reading(self) -> BinaryIO:
        """Return the file opened for reading from its beginning; the caller closes it."""
        file = os.fdopen(os.dup(self.descriptor), "rb")
        file.seek(0)
        return file

    def ends_with(self, end: bytes) -> bool:
        """Return whether the file's last bytes are `end`."""
        return (
            self.size >= len(end)
            and os.pread(self.descriptor, len(end), self.size - len(end)) == end
        )

    def append(self, data: bytes) -> int:
        """Append all of the data, or nothing if the disk is full, and return the new size."""
        try:
            _write(self.descriptor, data)
            os.fsync(self.descriptor)
        except OSError as error:
            os.ftruncate(self.descriptor, self.size)
            raise FlowError(f"the file cannot be written: {error.strerror}") from error
        return self.size + len(data)

    def replace(self, pieces: Iterable[bytes]) -> int:
        """Replace the file atomically and return its size."""
        # overwrites one that a crash left
        draft = f".flowbridge-{hashlib.sha256(self.name.encode()).hexdigest()[:16]}.new"
        try:
            descriptor = os.open(
                draft,
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
                dir_fd=self.folder,
            )
            try:
                size = sum(_write(descriptor, piece) for piece in pieces)
                _copy_owner_and_mode(descriptor, os.fstat(self.descriptor))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(draft, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
            os.fsync(self.folder)
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft, dir_fd=self.folder)
            raise FlowError(f"the file cannot be written: {error.strerror}") from error
        return size


@contextmanager
def lock_file(folder: Path, name: Any, example: str) -> Iterator[LockedFile]:
    """Open and lock `folder/name`, and create it if missing. `name` cannot lead out of `folder`.

    Each folder of the path is opened relative to its parent and never through a symbolic link, so
    none can be swapped in between.
    """
    if not isinstance(name, str) or "\0" in name or "\\" in name:
        raise FlowError(f"file: use a path inside the folder `files`, such as {example}")
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or name.endswith("/"):
        raise FlowError(
            f"file: {name!r} is not allowed; use a path inside the folder `files`, such as"
            f" {example}"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        at, descriptor = _open(folder, path.parts)
    except (OSError, UnicodeError) as error:
        raise FlowError(
            f"file: {name!r} cannot be opened:"
            f" {getattr(error, 'strerror', None) or 'invalid file name'}"
        ) from error
    try:
        yield LockedFile(at, path.parts[-1], descriptor, os.fstat(descriptor).st_size)
    finally:
        # explicitly: a duplicate descriptor for reading holds the lock, too
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
        os.close(at)


def _open(folder: Path, parts: tuple[str, ...]) -> tuple[int, int]:
    """Return the descriptors of the folder and of the locked file.

    A file that was replaced in the meantime is opened again.
    """
    at = _folder(folder, parts[:-1])
    try:
        while True:
            descriptor = os.open(parts[-1], _FILE, 0o600, dir_fd=at)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(0, "not a regular file")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_same_file(descriptor, at, parts[-1]):
                    os.fsync(at)  # so that a new file survives a power cut
                    return at, descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    except BaseException:
        os.close(at)
        raise


def _folder(folder: Path, parts: tuple[str, ...]) -> int:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            try:
                os.mkdir(part, 0o700, dir_fd=at)
                os.fsync(at)
            except FileExistsError:
                pass
            following = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = following
    except BaseException:
        os.close(at)
        raise
    return at


def _is_same_file(descriptor: int, folder: int, name: str) -> bool:
    """Return whether `name` is still the opened file."""
    try:
        return os.path.samestat(
            os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False)
        )
    except FileNotFoundError:
        return False


def _copy_owner_and_mode(descriptor: int, old: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _write(descriptor: int, data: bytes) -> int:
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
    return written
