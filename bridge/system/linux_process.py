"""Linux process controls: parent-death signal, orphans, signal masks, inherited sockets, groups."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
# https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
PR_SET_CHILD_SUBREAPER = 36
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to kill this process when its parent dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Block SIGTERM and SIGINT inside the block; they are delivered afterwards.

    A child forked inside it blocks them too, until it has set its own handlers and calls `listen`.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        unblock_signals()


def unblock_signals() -> None:
    """Unblock SIGTERM and SIGINT, and receive those that arrived meanwhile."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


def adopt_orphans(*, yes: bool = True) -> None:
    """Become the parent of descendants whose own parent dies; with `yes=False`, stop doing so."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(yes))


def list_children() -> list[int]:
    """Return the child processes of this process's main thread: those it forked or adopted."""
    try:
        return [
            int(word)
            for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []


def release_listening_sockets() -> None:
    """Close the listening sockets that this process inherited and does not use.

    Else their addresses are in use until it has ended, too. The descriptors stay valid: objects of
    the parent close them by number.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in [int(descriptor.name) for descriptor in Path("/proc/self/fd").iterdir()]:
        if _is_listening(number):
            os.dup2(null, number, inheritable=False)
    os.close(null)


def _is_listening(number: int) -> bool:
    try:
        duplicate = socket.socket(fileno=os.dup(number))
    except OSError:  # it is no socket, or was the folder that is listed
        return False
    with duplicate:
        return bool(duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def start_process_group() -> None:
    """Start a process group with this process as its leader, in the session of the parent.

    Not a new session: where the kernel groups processes by session (autogroup), niceness only
    counts inside a group, and an endless loop in a flow would delay the processes that acknowledge
    events by a full scheduler share.
    """
    os.setpgid(0, 0)
