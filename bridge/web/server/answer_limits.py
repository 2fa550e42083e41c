"""Limits of sending an answer: a client that stops reading frees its thread, and few answers wait
for clients that read slowly.
"""

from __future__ import annotations

import errno
import math
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bridge.core.timings import TIMINGS
from bridge.system.logs import get_logger

log = get_logger()
WAIT_STEP_SECONDS = 1.0  # between two checks whether the receiver is to end
MAX_WAITING_ANSWERS: Final = 4  # of a receiver, each of which holds a thread
MOMENT_SECONDS: Final = 1.0  # in all, for an answer beyond that
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # linger: on, for 0 seconds


@dataclass(slots=True)
class AnswerLimits:
    """Limits of the answers of one receiver.

    A client that reads nothing for `stall_seconds` is disconnected. `is_ending`: the receiver is to
    end, so it waits `WAIT_STEP_SECONDS` at most, and streams stop. `most`: answers that may wait
    for their clients; one more waits for `moment_seconds` in all.
    """

    stall_seconds: float = TIMINGS.answer_stall_seconds
    is_ending: bool = False
    most: int = MAX_WAITING_ANSWERS
    moment_seconds: float = MOMENT_SECONDS
    _waiting: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def take_place(self) -> bool:
        """Count one more answer that waits; return false if that would be too many."""
        with self._mutex:
            fits = self._waiting < self.most
            self._waiting += fits
            return fits

    def free_place(self) -> None:
        """Count one answer that waits less."""
        with self._mutex:
            self._waiting -= 1


class ClientWait:
    """The waits of one answer for its client. Call `end` once it is sent."""

    __slots__ = ("_has_place", "_limits", "_moment")

    def __init__(self, limits: AnswerLimits) -> None:
        self._limits = limits
        self._has_place = False
        self._moment = limits.moment_seconds

    def wait_writable(self, sock: socket.socket) -> None:
        """Wait until the kernel takes more bytes. Raises `BrokenPipeError` at the limit."""
        self._has_place = self._has_place or self._limits.take_place()
        most = self._limits.stall_seconds if self._has_place else self._moment
        began = time.monotonic()
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLOUT)
        while True:
            waited = time.monotonic() - began
            limit = min(most, WAIT_STEP_SECONDS if self._limits.is_ending else math.inf)
            left = limit - waited
            if left <= 0:
                break
            if poller.poll(math.ceil(min(left, WAIT_STEP_SECONDS) * 1000)):
                self._moment -= time.monotonic() - began
                return
        log.warning("answer_stalled", seconds=round(waited, 1), had_place=self._has_place)
        with suppress(OSError):
            # Otherwise the kernel would hold what is not sent yet, for as long as the client lives.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        raise BrokenPipeError(errno.EPIPE, f"the client has read nothing for {waited:.0f} s")

    def end(self) -> None:
        """Free its place."""
        if self._has_place:
            self._has_place = False
            self._limits.free_place()
