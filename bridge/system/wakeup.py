"""Wake-up between processes and threads: the worker sleeps until there is work for it."""

from __future__ import annotations

import mmap
import os
import select
import struct
import time

from bridge.system.descriptors import wait_readable

_TIME = struct.Struct("d")
# the byte after the time: a wake-up is pending
_PENDING_OFFSET = _TIME.size


class Wake:
    """A pipe, created before the fork. `notify` never blocks, and pending wake-ups are merged.

    While a wake-up is pending another one is not written: the sleeper looks for work after it has
    woken.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._seen = mmap.mmap(-1, _TIME.size + 1)  # shared with forked processes

    @property
    def seen_at(self) -> float:
        """Return when the sleeper last called `wait`, by the monotonic clock; 0.0 if never."""
        (at,) = _TIME.unpack_from(self._seen)
        return float(at)

    def fileno(self) -> int:
        """Return the descriptor that can be read while a wake-up is pending."""
        return self._read

    def notify(self) -> None:
        """Wake the sleeper now, or the next time it would sleep."""
        if self._seen[_PENDING_OFFSET]:
            return
        self._seen[_PENDING_OFFSET] = True
        try:
            os.write(self._write, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def wait(self, seconds: float) -> bool:
        """Sleep until a wake-up or for `seconds`; return whether there was a wake-up."""
        _TIME.pack_into(self._seen, 0, time.monotonic())
        heard = wait_readable([self._read], seconds)
        if heard:
            os.read(self._read, 65536)
        # After the pipe is empty, and also without a wake-up: a process may have died after it set
        # the byte and before it wrote to the pipe.
        self._seen[_PENDING_OFFSET] = False
        return bool(heard)


class Broadcast:
    """An eventfd, created before the fork. Each `send` wakes every listener of every process."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def send(self) -> None:
        """Wake the listeners, and those that listen later once."""
        os.eventfd_write(self._event, 1)

    def listen(self) -> select.epoll:
        """Return a listener of this process; its `poll` returns once after each `send`.

        The event is never read: a listener gets only its changes.
        """
        listener = select.epoll()
        listener.register(self._event, select.EPOLLIN | select.EPOLLET)
        return listener
