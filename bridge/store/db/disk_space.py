"""The database's disk: type of file system, and free space."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.core.errors import StoreError
from bridge.core.units import MIB
from bridge.ingest.ports import disk_full, finishing_reserve, signed_reserve

# An event's bytes are written up to four times: event and deliveries, each to the log as well.
WRITE_FACTOR: Final = 4
#: A write-ahead log needs shared memory, which a network file system does not provide:
#: https://sqlite.org/wal.html
NETWORK_FILE_SYSTEMS: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|ceph|glusterfs|fuse\.(sshfs|glusterfs|s3fs|rclone|ceph.*)|afs|lustre|vboxsf|davfs|ocfs2|gfs2"
)
MEMORY_FILE_SYSTEMS: Final = ("tmpfs", "ramfs")


def free_space(path: Path, *, is_public: bool = False) -> tuple[int, int]:
    """Return the free bytes at a path, and how many of them are reserved from new events.

    `is_public`: events of sources that accept requests from anyone; a larger part is reserved from
    these.
    """
    try:
        disk = os.statvfs(path)
    except FileNotFoundError:
        return free_space(path.parent, is_public=is_public)
    total = disk.f_blocks * disk.f_frsize
    reserve = signed_reserve(total) if is_public else finishing_reserve(total)
    return disk.f_bavail * disk.f_frsize, reserve


def file_system_type(path: Path) -> str | None:
    """Return the type of file system of a path, such as `ext4`; None if unknown."""
    # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    best = -1
    file_system = None
    real = path.resolve()
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        mounted, _, described = line.partition(" - ")
        point = Path(
            re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mounted.split()[4])
        )
        if real.is_relative_to(point) and len(point.parts) >= best:
            best = len(point.parts)
            file_system = described.split()[0]
    return file_system


@dataclass(frozen=True, slots=True)
class DiskSpaceGuard:
    """Refuses new events when the disk is nearly full, to leave space for acknowledged ones."""

    path: Path

    def is_low(self, size: int = 0, *, is_public: bool = False) -> bool:
        """Return whether the disk has too little space for `size` more bytes."""
        left, reserve = free_space(self.path, is_public=is_public)
        return left - WRITE_FACTOR * size < reserve

    def check(self, size: int = 0, *, is_public: bool = False) -> None:
        """Raise `StoreError` if the disk has too little space for events of `size` bytes.

        For events of public sources, raise `Refused`.
        """
        if self.is_low(size, is_public=is_public):
            if is_public:
                raise disk_full()
            left, reserve = free_space(self.path)
            raise StoreError(
                f"the disk has {left / MIB:.1f} MiB left; {reserve / MIB:.1f} MiB are reserved, so"
                " new events are refused"
            )
