"""Seccomp filter for this process: it can compute, and read and write open files, only.

It cannot open, connect, start or signal anything, even if an attacker controls it: the kernel
refuses every other system call (https://docs.kernel.org/userspace-api/seccomp_filter.html). On
architectures other than those listed, `install_filter` raises.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
# https://docs.kernel.org/networking/filter.html
_LOAD = 0x20
_JUMP_IF = 0x15
_RETURN = 0x06
# offsets in `struct seccomp_data`
_NUMBER = 0
_ARCHITECTURE = 4
# actions; the last one returns EPERM
_KILL = 0x80000000
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050001

#: Allowed system calls: memory, open files, time, random numbers, own signals, futexes, and exit.
ALLOWED_CALLS: Final = (
    "read",
    "write",
    "close",
    "fstat",
    "lseek",
    "mmap",
    "mprotect",
    "munmap",
    "mremap",
    "brk",
    "madvise",
    "readv",
    "writev",
    "pread64",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "futex",
    "sched_yield",
    "sched_getaffinity",
    "getpid",
    "gettid",
    "getrusage",
    "gettimeofday",
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "getrandom",
    "exit",
    "exit_group",
)
#: Architecture -> the kernel's constant for it, and the numbers of the calls in that order.
#: https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_64.tbl and
#: include/uapi/asm-generic/unistd.h
ARCHITECTURES: Final = {
    "x86_64": (
        0xC000003E,
        (
            0,
            1,
            3,
            5,
            8,
            9,
            10,
            11,
            25,
            12,
            28,
            19,
            20,
            17,
            13,
            14,
            15,
            131,
            219,
            202,
            24,
            204,
            39,
            186,
            98,
            96,
            228,
            230,
            35,
            318,
            60,
            231,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            63,
            64,
            57,
            80,
            62,
            222,
            226,
            215,
            216,
            214,
            233,
            65,
            66,
            67,
            134,
            135,
            139,
            132,
            128,
            98,
            124,
            123,
            172,
            178,
            165,
            169,
            113,
            115,
            101,
            278,
            93,
            94,
        ),
    ),
}


def build_filter(processor: str) -> bytes:
    """Return the filter program for an architecture. Raises `OSError` if there is none."""
    if processor not in ARCHITECTURES:
        raise OSError(f"no seccomp filter for {processor}")
    called, numbers = ARCHITECTURES[processor]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF, 1, 0, called),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    steps += [(_JUMP_IF, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def install_filter() -> None:
    """Install the filter permanently. Raises `OSError`."""
    filtered = build_filter(os.uname().machine)
    steps = ctypes.create_string_buffer(filtered, len(filtered))
    head = ctypes.create_string_buffer(
        struct.pack("HP", len(filtered) // 8, ctypes.addressof(steps))
    )
    kernel = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(head), 0, 0),
    ):
        if (
            kernel.prctl(arguments[0], *(ctypes.c_ulong(argument) for argument in arguments[1:]))
            != 0
        ):
            raise OSError(ctypes.get_errno(), "the kernel refused the seccomp filter")
