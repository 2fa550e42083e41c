"""The disk that the database is on: what kind of file system, and how much room it has left."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.core.errors import StoreError
from bridge.ingest.ports import no_disk_room, signed_reserve

MIB: Final = 1024 * 1024
# bytes that are left to those who finish what was begun: outcomes, ends of runs, pruning
MAX_RESERVE_BYTES: Final = 32 * MIB
RESERVE_DIVISOR: Final = 20  # or that part of a small disk
# of an event's bytes: itself and what deliveries make of it, each in the write-ahead log, too
WRITE_FACTOR: Final = 4
#: A write-ahead log needs memory that all processes share, which machines do not:
#: https://sqlite.org/wal.html
NETWORKED: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|ceph|glusterfs|fuse\.(sshfs|glusterfs|s3fs|rclone|ceph.*)|afs|lustre|vboxsf|davfs|ocfs2|gfs2"
)
FLEETING: Final = ("tmpfs", "ramfs")


def free(path: Path, *, is_public: bool = False) -> tuple[int, int]:
    """Return how many bytes the file system of a path has left for us, and how many of them new
    events do not get.

    `is_public`: events of sources to which anyone may send, which leave room for those of others.
    """
    try:
        disk = os.statvfs(path)
    except FileNotFoundError:
        return free(path.parent, is_public=is_public)
    total = disk.f_blocks * disk.f_frsize
    return disk.f_bavail * disk.f_frsize, (
        signed_reserve(total) if is_public else min(MAX_RESERVE_BYTES, total // RESERVE_DIVISOR)
    )


def kind(path: Path) -> str | None:
    """Return the kind of file system that a path is on, such as `ext4`; None where that cannot be
    told.
    """
    # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    best = -1
    found = None
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
            found = described.split()[0]
    return found


@dataclass(frozen=True, slots=True)
class Room:
    """Keeps new events out while the disk is nearly full, so that what was acknowledged can still
    be brought to its end.
    """

    path: Path

    def is_low(self, size: int = 0, *, is_public: bool = False) -> bool:
        """Tell whether there is too little room for so many bytes more."""
        left, reserve = free(self.path, is_public=is_public)
        return left - WRITE_FACTOR * size < reserve

    def check(self, size: int = 0, *, is_public: bool = False) -> None:
        """Raise `StoreError` where there is too little room for events with so many bytes;
        `Refused` where anyone may send them.
        """
        if self.is_low(size, is_public=is_public):
            if is_public:
                raise no_disk_room()
            left, reserve = free(self.path)
            raise StoreError(
                f"the disk has {left / MIB:.1f} MiB left, of which {reserve / MIB:.1f} MiB are not"
                " for new events"
            )
