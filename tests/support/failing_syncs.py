"""A disk that refuses to sync: work in a thread for which the kernel answers every `fsync` and
`fdatasync` with an I/O error.

A system call filter (seccomp) belongs to the thread that installs it and ends with it: other
threads sync as always.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
# fsync, fdatasync, msync
SYNCS = {"x86_64": (0xC000003E, (74, 75, 26)), "aarch64": (0xC00000B7, (82, 83, 227))}
# of prctl
NO_NEW_PRIVS = 38
SECCOMP = 22
FILTER = 2
# https://docs.kernel.org/networking/filter.html
LOAD = 0x20
JUMP_IF_EQUAL = 0x15
RETURN = 0x06
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EIO


def refuse_syncs() -> None:
    """Let every sync of this thread fail from now on. The test is skipped on processors whose call
    numbers are not known.
    """
    if os.uname().machine not in SYNCS:
        pytest.skip(f"the numbers of the system calls of {os.uname().machine} are not known")
    processor, numbers = SYNCS[os.uname().machine]
    steps = [(LOAD, 0, 0, 4), (JUMP_IF_EQUAL, 0, len(numbers) + 1, processor), (LOAD, 0, 0, 0)]
    steps += [
        (JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)
    ]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(packed, len(packed))
    head = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
    kernel = ctypes.CDLL(None, use_errno=True)
    for given in ((NO_NEW_PRIVS, 1, 0, 0, 0), (SECCOMP, FILTER, ctypes.addressof(head), 0, 0)):
        if kernel.prctl(given[0], *(ctypes.c_ulong(each) for each in given[1:])) != 0:
            raise OSError(ctypes.get_errno(), "the kernel installs no filter")


def without_syncs(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises, in a thread whose syncs fail."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            refuse_syncs()
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
