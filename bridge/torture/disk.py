"""Full disks: a small file system in memory, or a limit on file sizes without root."""

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
MAX_COPY_BYTES: Final = 200_000_000  # of data that is copied into memory
SPARE_BYTES: Final = 8_000_000  # free space on the small disk before it is filled


def unshare_mounts() -> bool:
    """Move this process into a new mount namespace; return False without the permission.

    Its children inherit the namespace, and the mounts disappear with the last process.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    return bool(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0)


class SmallDisk:
    """A temporary file system for a data folder. Requires `unshare_mounts`."""

    def __init__(self, place: Path) -> None:
        self.path = place
        self._ballast = place / "ballast"
        self.mounted = False

    def mount(self, data: Path) -> None:
        """Mount it with a copy of the data; raise OSError if that fails."""
        size = count_bytes([data])
        if size > MAX_COPY_BYTES:
            raise OSError(
                f"the data has {size} bytes; at most {MAX_COPY_BYTES} are copied into memory"
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
        """Write a ballast file until no space is free."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def make_room(self) -> None:
        """Delete the ballast file."""
        self._ballast.unlink(missing_ok=True)

    def copy_back(self, data: Path) -> None:
        """Replace the original data with the data of the small disk, then unmount it.

        No process may use the data meanwhile.
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
        """Unmount the file system."""
        ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(self.path), MNT_DETACH)
        self.mounted = False


def limit_file_sizes(pids: Iterable[int], size: int) -> None:
    """Limit the size of files that these processes and their children write.

    `NO_LIMIT` removes the limit.
    """
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


NO_LIMIT: Final = resource.RLIM_INFINITY
