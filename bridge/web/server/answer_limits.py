"""Limits of sending an answer: a client that stops reading frees its thread."""

from __future__ import annotations

import errno
import math
import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass

from bridge.core.timings import TIMINGS
from bridge.system.logs import get_logger

log = get_logger()
WAIT_STEP_SECONDS = 1.0  # between two checks whether the receiver is to end
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # linger: on, for 0 seconds


@dataclass(slots=True)
class AnswerLimits:
    """Limits of the answers of one receiver.

    A client that reads nothing for `stall_seconds` is disconnected. `is_ending`: the receiver is to
    end, so it waits `WAIT_STEP_SECONDS` at most, and streams stop.
    """

    stall_seconds: float = TIMINGS.answer_stall_seconds
    is_ending: bool = False

    def wait_writable(self, sock: socket.socket) -> None:
        """Wait until the kernel takes more bytes. Raises `BrokenPipeError` at the limit."""
        began = time.monotonic()
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLOUT)
        while True:
            waited = time.monotonic() - began
            limit = min(self.stall_seconds, WAIT_STEP_SECONDS if self.is_ending else math.inf)
            left = limit - waited
            if left <= 0:
                break
            if poller.poll(math.ceil(min(left, WAIT_STEP_SECONDS) * 1000)):
                return
        log.warning("answer_stalled", seconds=round(waited, 1))
        with suppress(OSError):
            # Otherwise the kernel would hold what is not sent yet, for as long as the client lives.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        raise BrokenPipeError(errno.EPIPE, f"the client has read nothing for {waited:.0f} s")
