"""What a process asks of the kernel for itself: to end with its parent, to adopt orphans, to give
way to others.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
# https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
PR_SET_CHILD_SUBREAPER = 36
_ENDING = {signal.SIGTERM, signal.SIGINT}


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Ask the kernel to kill this process when its parent dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


@contextmanager
def deaf() -> Iterator[None]:
    """Hear SIGTERM and SIGINT only afterwards. Around a fork the child is deaf too, until it has
    handlers of its own and `listen`s.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        listen()


def listen() -> None:
    """Hear SIGTERM and SIGINT, and those that came meanwhile."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


def adopt_orphans(*, yes: bool = True) -> None:
    """Become the parent of descendants whose own parent dies, so that none gets out of sight; or of
    no more of them.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(yes))


def children() -> list[int]:
    """Return the children of this process, as far as its main thread has them: those it forked and
    those it adopted.
    """
    try:
        return [
            int(one) for one in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    except OSError:  # a kernel without it
        return []


def own_group() -> None:
    """Lead a process group of one's own, in the session of the parent.

    A session of one's own would do too, but where the kernel groups processes by session
    (autogroup) niceness counts inside a group only: an endless loop of a flow would then hold up
    whoever acknowledges events for as long as a fair share lasts.
    """
    os.setpgid(0, 0)
