"""A connection of the event loop: reads requests within limits, and writes their answers."""

from __future__ import annotations

import asyncio
import enum
import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from bridge.core.errors import Refused
from bridge.system.logs import get_logger
from bridge.web.hook_messages import HookAnswer, RequestHead, answer_refusal
from bridge.web.hook_receiver import HookRequest
from bridge.web.server.event_loop.answer_bytes import answer_bytes, answer_malformed
from bridge.web.server.event_loop.http_parser import (
    HttpParser,
    explain_error,
    make_parser,
    read_head,
)
from bridge.web.server.event_loop.loop_edge import LoopEdge
from bridge.web.server.event_loop.thread_writer import LoopThreadWriter

log = get_logger()
LINGER_SECONDS = 2.0  # for a peer to close its end after the answer
# bytes that are still read from a peer: a whole refused body, so that the answer arrives
LINGER_BYTES = 32 * 1024 * 1024
MAX_FOLLOWING_BYTES = 64 * 1024  # of the next requests, while one is being answered
MAX_PAGE_BODY_BYTES = 32 * 1024 * 1024  # of a request that Flask answers
# bytes of a body with its framing: chunks of one byte have six, and extensions and trailers some
MAX_FRAMING_SHARE = 8
MAX_FRAMING_BYTES = 16 * 1024
CUT_SHORT: Final = "the body ended early, took too long or is not framed correctly"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Stage(enum.Enum):
    """What a connection does."""

    IDLE = enum.auto()  # between two requests
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()  # the request is whole
    LINGER = enum.auto()  # after the last answer


class LoopConnection(asyncio.Protocol):
    """One connection. A slow sender costs a socket, and no thread."""

    def __init__(self, edge: LoopEdge) -> None:
        self._edge = edge
        self._parser = make_parser(self._on_head, self._on_body, self._on_end)
        self._stage = Stage.IDLE
        self._transport: Any = None
        self._address: str | None = None
        self._server = ("", 0)
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._writer: LoopThreadWriter | None = None
        self._following = b""
        self._has_ended = False  # the peer sends no more
        self._lingered = 0
        self._forget()

    def _forget(self) -> None:
        """Prepare for the next request."""
        self._head: RequestHead | None = None
        self._request: HookRequest | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._held = 0
        self._arrived = 0  # bytes of the body with its framing
        self._began = 0.0
        self._has_head = False
        self._is_whole = False
        self._has_framing_error = False

    @property
    def is_idle(self) -> bool:
        """Return whether no request is being read or answered."""
        return self._stage is Stage.IDLE

    # -- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else None
        server = transport.get_extra_info("sockname")
        self._server = server[:2] if isinstance(server, tuple) else ("", 0)
        self._edge.connections.add(self)
        self._arm(self._edge.keep_alive_seconds, self.close)

    def connection_lost(self, _error: Exception | None) -> None:
        self._disarm()
        self._release()
        if self._stall is not None:
            self._stall.cancel()
        if self._writer is not None:
            self._writer.disconnect()
        self._edge.connections.discard(self)

    def pause_writing(self) -> None:
        seconds = self._edge.answers.stall_seconds
        self._stall = self._edge.loop.call_later(seconds, self._transport.abort)
        if self._writer is not None:
            self._writer.pause()

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._writer is not None:
            self._writer.resume()

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._stage is Stage.BODY:
            self._refuse(Refused(400, "cut_short", CUT_SHORT))
        # a peer that closes its own end still gets its answer
        return self._stage is Stage.ANSWER

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.LINGER:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self._transport.abort()
            return
        if self._stage is Stage.ANSWER:
            self._following += data
            if len(self._following) > MAX_FOLLOWING_BYTES:
                self._transport.pause_reading()
            return
        if self._stage is Stage.IDLE:
            self._stage = Stage.HEAD
            self._arm(self._edge.timings.request_head_seconds, self.close)
        try:
            self._feed(data)
            if self._has_head and self._head is None:
                self._head = read_head(self._parser, self._address)
        except Exception as error:
            self._refuse_malformed(error)
            return
        if self._stage is Stage.BODY:
            self._arrived += len(data)
        elif self._head is not None:
            self._arrived = len(data) - _count_head_bytes(self._parser)
        self._advance()

    # -- the parser

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed(data)
        except Exception:
            self._has_framing_error = self._has_head
            raise

    def _on_head(self) -> bool:
        self._has_head = True
        return False

    def _on_body(self, chunk: bytes) -> None:
        self._chunks.append(bytes(chunk))
        self._size += len(chunk)

    def _on_end(self) -> None:
        self._is_whole = True

    # -- one request

    def _advance(self) -> None:
        """Go on with what has arrived."""
        if self._head is None:
            return
        if self._stage is Stage.HEAD:
            self._stage = Stage.BODY
            self._began = time.monotonic()
            self._arm(self._edge.timings.request_body_seconds, self._check_deadline)
            if not self._begin(self._head):
                return
        if not self._check_size():
            return
        if self._is_whole:
            self._disarm()
            self._stage = Stage.ANSWER
            self._answer_whole(self._head, b"".join(self._chunks))

    def _begin(self, head: RequestHead) -> bool:
        """Begin a request whose head has arrived; return whether its body is needed."""
        if self._edge.is_hook(head.path):
            begun = self._edge.begin(head, self._server)
            if isinstance(begun, HookAnswer):
                self._answer(begun)
                return False
            self._request = begun
        if (
            head.headers.get("expect", "").lower() == "100-continue"
            and not self._is_whole
            and not self._size
            and self._check_size()
        ):
            self._transport.write(CONTINUE)
        return self._stage is Stage.BODY

    def _check_size(self) -> bool:
        """Refuse a body that is too large, or for which this process has no room."""
        most = MAX_PAGE_BODY_BYTES if self._request is None else self._request.max_body
        declared = self._parser.content_length or 0
        if max(self._size, declared) > most:
            self._refuse(Refused(413, "too_large", f"the body is larger than {most} bytes"))
            return False
        if self._arrived > MAX_FRAMING_SHARE * self._size + MAX_FRAMING_BYTES:
            self._refuse(Refused(400, "cut_short", CUT_SHORT))
            return False
        try:
            self._edge.intake.reserve(self._size - self._held)
        except Refused as refused:
            self._refuse(refused)
            return False
        self._held = self._size
        return True

    def _answer_whole(self, head: RequestHead, body: bytes) -> None:
        self._chunks = []
        if self._request is not None:
            self._edge.calls.answer(self._request, body, self._answer)
            return
        keeps = self._keeps_alive()
        self._writer = LoopThreadWriter(self._edge.loop, self._transport, keeps=keeps)
        self._edge.call_flask(head, body, self._server, self._writer, self._end_flask)

    def _end_flask(self, error: BaseException | None) -> None:
        writer = self._writer
        self._writer = None
        if writer is None or self._transport.is_closing():
            return
        if error is None:
            self._end(keeps=writer.keeps)
            return
        if not writer.is_started:
            self._answer(None)
            return
        self._transport.abort()  # the client must see that the answer is not whole

    def _refuse(self, refused: Refused) -> None:
        request = self._request
        self._answer(answer_refusal(refused) if request is None else request.refuse(refused))

    def _refuse_malformed(self, error: Exception) -> None:
        if self._head is not None:  # the head was right: its body is not
            self._refuse(Refused(400, "cut_short", CUT_SHORT))
            return
        malformed = explain_error(error)
        log.warning("malformed_request", reason=str(malformed), client=self._address)
        # an error after the head is one of the body's framing
        status = HTTPStatus.BAD_REQUEST if self._has_framing_error else malformed.status
        self._transport.write(answer_malformed(status))
        self._end(keeps=False)

    def _answer(self, answer: HookAnswer | None) -> None:
        """Write an answer; None is the one to an unforeseen error."""
        if self._transport.is_closing():
            return
        if answer is None:
            answer = answer_refusal(Refused(500, "internal_error", "an unexpected error occurred"))
        keeps = self._keeps_alive() and not any(
            name.lower() == "connection" for name, _ in answer.headers
        )
        method = "" if self._head is None else self._head.method
        self._transport.write(answer_bytes(answer, method, keeps=keeps))
        self._end(keeps=keeps)

    def _keeps_alive(self) -> bool:
        """Return whether another request may follow: not after one whose body is outstanding."""
        return (
            self._is_whole
            and self._parser.should_keep_alive
            and not self._has_ended
            and not self._edge.answers.is_ending
        )

    def _end(self, *, keeps: bool) -> None:
        """Go on to the next request, or close our end."""
        self._disarm()
        self._release()
        if not keeps:
            self._linger()
            return
        following = self._parser.remaining() + self._following
        self._following = b""
        self._parser.reset()
        self._forget()
        self._stage = Stage.IDLE
        self._transport.resume_reading()
        self._arm(self._edge.keep_alive_seconds, self.close)
        if following:  # not here: many small requests in one packet would nest their calls
            self._edge.loop.call_soon(self._resume, following)

    def _resume(self, following: bytes) -> None:
        if not self._transport.is_closing():
            self.data_received(following)

    def _linger(self) -> None:
        """Close our end, and the whole connection once the peer has closed its own.

        Else the kernel would reset the connection of a peer that still sends, before it has read
        its answer.
        """
        if self._has_ended or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._stage = Stage.LINGER
        self._transport.write_eof()
        self._transport.resume_reading()
        self._arm(LINGER_SECONDS, self.close)

    # -- times

    def _check_deadline(self) -> None:
        """Refuse a body that is too slow; each second's worth of bytes buys a second."""
        timings = self._edge.timings
        bought = self._size / timings.request_bytes_per_second
        left = self._began + timings.request_body_seconds + bought - time.monotonic()
        if left > 0:
            self._arm(math.ceil(left * 1000) / 1000, self._check_deadline)
            return
        self._refuse(Refused(400, "cut_short", CUT_SHORT))

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _arm(self, seconds: float, act: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self._edge.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        if self._held:
            self._edge.intake.reserve(-self._held)
            self._held = 0


def _count_head_bytes(parser: HttpParser) -> int:
    """Return about how many bytes the head of a request had, and never too many."""
    fields = sum(len(name) + len(value) + 3 for name, value in parser.headers)
    return fields + len(parser.method) + len(parser.path) + 12
