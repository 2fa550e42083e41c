"""A disk that is full: a small file system in memory that nobody else sees, or a limit on the size
of files where none can be mounted.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridge.torture.evidence import count_bytes

CLONE_NEWNS: Final = 0x20000  # https://man7.org/linux/man-pages/man2/unshare.2.html
# https://man7.org/linux/man-pages/man2/mount.2.html
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_NOSUID = 2
MS_NODEV = 4
MNT_DETACH: Final = 2
MAX_COPY_BYTES: Final = 200_000_000  # bytes of data that are copied into memory
SPARE_BYTES: Final = 8_000_000  # bytes that the small disk has beyond the data, before it is filled


def unshare_mounts() -> bool:
    """Give this process, and those that it starts, mounts of their own; return whether it may. They
    are gone with the last of them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    return bool(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0)


class SmallDisk:
    """A file system of its own for a data folder, for as long as nothing else will do. Only after
    `seclude`.
    """

    def __init__(self, place: Path) -> None:
        self.path = place
        self._ballast = place / "ballast"
        self.mounted = False

    def mount(self, data: Path) -> None:
        """Mount it with a copy of the data. OSError where that fails, or where the data is too
        large.
        """
        size = count_bytes([data])
        if size > MAX_COPY_BYTES:
            raise OSError(
                f"the data has {size} bytes by now, which is too much to be copied into memory"
            )
        self.path.mkdir(mode=0o700, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={2 * size + SPARE_BYTES},mode=700".encode()
        if (
            libc.mount(b"tmpfs", os.fsencode(self.path), b"tmpfs", MS_NOSUID | MS_NODEV, options)
            != 0
        ):
            raise OSError(ctypes.get_errno(), "tmpfs cannot be mounted")
        self.mounted = True
        shutil.copytree(data, self.path, dirs_exist_ok=True)

    def fill(self) -> None:
        """Take up all that is free."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def make_room(self) -> None:
        """Give it back."""
        self._ballast.unlink(missing_ok=True)

    def copy_back(self, data: Path) -> None:
        """Put the data where it came from, as somebody would who has bought a larger disk; nothing
        runs meanwhile.
        """
        self.make_room()
        draft = data.with_name("data.new")
        before = data.with_name("data.before")
        shutil.copytree(self.path, draft)
        data.rename(before)
        draft.rename(data)
        shutil.rmtree(before)
        self.unmount()

    def unmount(self) -> None:
        """Have it gone."""
        ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(self.path), MNT_DETACH)
        self.mounted = False


def limit_file_sizes(pids: Iterable[int], size: int) -> None:
    """Let these processes, and those that they start, write no file beyond `size` bytes;
    RLIM_INFINITY lets them again.
    """
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


NO_LIMIT: Final = resource.RLIM_INFINITY
