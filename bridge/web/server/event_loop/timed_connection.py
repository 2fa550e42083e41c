"""The times and the end of a connection of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bridge.system.logs import get_logger
from bridge.web.server.answer_limits import ENDING_STALL_SECONDS, AnswerLimits
from bridge.web.server.http_limits import LINGER_BYTES, LINGER_SECONDS

log = get_logger()


class TimedConnection(asyncio.Protocol):
    """A connection with one timer, which ends if its client does not read.

    Each request moves the deadline several times, nearly always further away. So the timer stays
    where it is, and is set again when it fires before the deadline.

    `is_lingering`: our end is closed, and the client's not yet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, answers: AnswerLimits) -> None:
        self._loop = loop
        self._answers = answers
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._act: Callable[[], None] | None = None  # at the deadline
        self._stall: asyncio.TimerHandle | None = None
        self._has_ended = False  # the peer sends no more
        self._lingered = 0
        self.is_lingering = False

    @property
    def is_stalled(self) -> bool:
        """Return whether the client has much of its answers still to read."""
        return self._stall is not None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._disarm()
        self._cancel_timer()
        self._end_stall()

    def pause_writing(self) -> None:
        self._end_stall()
        self._stall = self._loop.call_later(self._stall_seconds, self._abort_stalled)

    def resume_writing(self) -> None:
        self._end_stall()

    @property
    def _stall_seconds(self) -> float:
        seconds = self._answers.stall_seconds
        return min(seconds, ENDING_STALL_SECONDS) if self._answers.is_ending else seconds

    def _abort_stalled(self) -> None:
        log.limited().warning("answer_stalled", seconds=self._stall_seconds)
        self.abort()

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def close(self) -> None:
        """Close the connection once what was written is sent, or its client stops reading."""
        self._transport.close()
        if self._transport.get_write_buffer_size():  # it may be too little to pause the writing
            self._arm(self._stall_seconds, self._abort_stalled)

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _arm(self, seconds: float, act: Callable[[], None]) -> None:
        """Call a function later, instead of the one before."""
        self._deadline = self._loop.time() + seconds
        self._act = act
        if self._timer is None or self._timer.when() > self._deadline:
            self._cancel_timer()
            self._timer = self._loop.call_at(self._deadline, self._fire)

    def _disarm(self) -> None:
        self._act = None

    def _fire(self) -> None:
        """Call the function at its deadline; set the timer again if that has moved away."""
        self._timer = None
        act = self._act
        if act is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._fire)
        else:
            self._act = None
            act()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _linger(self) -> None:
        """Close our end, and the whole connection once the peer has closed its own.

        Else the kernel would reset the connection of a peer that still sends, before it has read
        its answer.
        """
        if self._has_ended or not self._transport.can_write_eof():
            self.close()
            return
        self.is_lingering = True
        try:
            self._transport.write_eof()
        except OSError:  # the peer has reset the connection
            self.abort()
            return
        self._transport.resume_reading()
        self._arm(LINGER_SECONDS, self.close)

    def _discard(self, data: bytes) -> None:
        """Drop what a peer still sends, up to a limit."""
        self._lingered += len(data)
        if self._lingered > LINGER_BYTES:
            self.abort()
