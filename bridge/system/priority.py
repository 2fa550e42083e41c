"""The priority of a process against those for which senders wait.

Niceness sets the share of a processor, not how soon a process gets it: one that wakes up waits
until the running one has used its time slice, and on a clock tick it loses the processor to one
that waits. Since Linux 6.12 a process makes way at once for one with a shorter slice
(https://docs.kernel.org/scheduler/sched-eevdf.html). Earlier versions accept the request for a
slice, and ignore it.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

#: The longest that Linux grants; its own choice is 0.7 ms on one processor, 2.8 ms on eight.
SLICE_NANOSECONDS: Final = 100_000_000
#: Number of the system call, which neither Python nor older versions of glibc offer.
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period
# (https://man7.org/linux/man-pages/man2/sched_setattr.2.html)
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")


def lower_priority(niceness: int) -> None:
    """Lower the priority of this process by `niceness`, and let others interrupt it at once.

    Call it before the first thread starts: later threads get the same. If the kernel refuses the
    time slice, or if someone has chosen another scheduling policy for the process, only the
    niceness changes.
    """
    nice = os.nice(niceness)
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    attributes = _ATTRIBUTES.pack(
        _ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NANOSECONDS, 0, 0
    )
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
