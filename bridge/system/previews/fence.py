"""A fence around this process: from here on it computes, reads and writes what is open, and can do
nothing else.

Nothing can be opened, connected, started or signalled any more, whatever takes the process over:
the kernel refuses every other call (seccomp,
https://docs.kernel.org/userspace-api/seccomp_filter.html). There is none for other processors than
these: there `put_up` raises.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_FILTER = 2
# https://docs.kernel.org/networking/filter.html
_LOAD = 0x20
_JUMP_IF = 0x15
_RETURN = 0x06
# where in what a filter sees of a call
_NUMBER = 0
_PROCESSOR = 4
# the last: EPERM
_KILL = 0x80000000
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050001

#: What may be called: memory, what is open, time, random numbers, signals of one's own, threads
#: that wait for each other, and the end.
CALLS: Final = (
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
#: processor -> what the kernel calls it, and the numbers of the calls in that order.
#: https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_64.tbl and
#: include/uapi/asm-generic/unistd.h
PROCESSORS: Final = {
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


def program(processor: str) -> bytes:
    """Return the filter for a processor; OSError where there is none for it."""
    if processor not in PROCESSORS:
        raise OSError(f"there is no fence for {processor}")
    called, numbers = PROCESSORS[processor]
    steps = [
        (_LOAD, 0, 0, _PROCESSOR),
        (_JUMP_IF, 1, 0, called),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    steps += [(_JUMP_IF, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def put_up() -> None:
    """Put the fence up, for good; OSError where it cannot be."""
    filtered = program(os.uname().machine)
    steps = ctypes.create_string_buffer(filtered, len(filtered))
    head = ctypes.create_string_buffer(
        struct.pack("HP", len(filtered) // 8, ctypes.addressof(steps))
    )
    kernel = ctypes.CDLL(None, use_errno=True)
    for asked in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _FILTER, ctypes.addressof(head), 0, 0),
    ):
        if kernel.prctl(asked[0], *(ctypes.c_ulong(each) for each in asked[1:])) != 0:
            raise OSError(ctypes.get_errno(), "the kernel puts up no fence")
