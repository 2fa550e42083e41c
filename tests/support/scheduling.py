"""How Linux schedules a process, as it reports it itself."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

import pytest

SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275}
MAX_NICENESS = 19
ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr


class Scheduling(NamedTuple):
    """What the kernel says of a thread."""

    policy: int
    nice: int
    slice_nanoseconds: int


def read_scheduling(thread: int = 0) -> Scheduling:
    """Return how a thread is scheduled; 0 is the calling one."""
    room = ctypes.create_string_buffer(ATTRIBUTES.size)
    libc = ctypes.CDLL(None, use_errno=True)
    number = SCHED_GETATTR[os.uname().machine]
    if libc.syscall(number, thread, room, ATTRIBUTES.size, 0) < 0:
        raise OSError(ctypes.get_errno(), "sched_getattr")
    _, policy, _, nice, _, runtime, _, _ = ATTRIBUTES.unpack(room.raw)
    return Scheduling(policy, nice, runtime)


def lowered(niceness: int, change: int) -> int:
    """Return the niceness of a process that has added `change` to its own: tests may run with the
    highest already.
    """
    return min(niceness + change, MAX_NICENESS)


def needs_slices() -> None:
    """Skip the test where a request for a time slice has no effect."""
    version = os.uname().release.split(".")
    if (int(version[0]), int(version[1])) < (6, 12):
        pytest.skip("this kernel ignores requests for a time slice")
    if os.uname().machine not in SCHED_GETATTR:
        pytest.skip("the number of the system call is not known here")
