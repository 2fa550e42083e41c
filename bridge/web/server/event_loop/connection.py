"""A connection of the event loop: reads requests within limits, and writes their answers."""

from __future__ import annotations

import asyncio
import enum
import io
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from bridge.core.errors import Refused
from bridge.system.logs import get_logger
from bridge.web.receiving.hook_messages import HookAnswer, answer_refusal, refuse_unforeseen
from bridge.web.receiving.hook_receiver import HookRequest
from bridge.web.server.answer_limits import ENDING_STALL_SECONDS, AnswerLimits
from bridge.web.server.event_loop.answers import (
    LoopThreadWriter,
    answer_bytes,
    answer_malformed,
)
from bridge.web.server.event_loop.http_parser import HeadReader, MalformedRequest, ParsedHead
from bridge.web.server.event_loop.loop_edge import LoopEdge, stream_body
from bridge.web.server.event_loop.request_body import RequestBody, StreamedBody, refuse_cut_short
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


class PageCall:
    """One call of Flask. `ended` is called on the loop."""

    def __init__(
        self,
        edge: LoopEdge,
        transport: Any,
        head: ParsedHead,
        ended: Callable[[BaseException | None], None],
        *,
        keeps: bool,
    ) -> None:
        self._edge = edge
        self._head = head
        self._ended = ended
        self.writer = LoopThreadWriter(edge.loop, transport, keeps=keeps, may_chunk=head.may_chunk)
        self.stream: StreamedBody | None = None

    def answer(self, body: bytes, server: tuple[str, int]) -> None:
        """Answer a request whose body has arrived."""
        self._call(io.BytesIO(body), len(body), server)

    def answer_while_reading(
        self, body: RequestBody, server: tuple[str, int], drained: Callable[[], None]
    ) -> None:
        """Answer a request whose body is large: the thread reads the rest of it, or refuses it.

        `drained` is called on the loop. Raises `Refused` where too many threads do so.
        """
        self.stream = stream_body(self._edge, body, drained)
        self._call(io.BufferedReader(self.stream), self._head.length, server)

    def cut(self) -> None:
        """Let the thread fail where it reads or writes: the client is gone."""
        self.writer.disconnect()
        self.cut_body()

    def cut_body(self) -> None:
        """Let the thread fail where it reads: the rest of the body does not arrive."""
        if self.stream is not None:
            self.stream.cut()

    def _call(self, stdin: io.BufferedIOBase, length: int | None, server: tuple[str, int]) -> None:
        self._edge.call_flask(self._head.request, stdin, length, server, self.writer, self._end)

    def _end(self, error: BaseException | None) -> None:
        if self.stream is not None:
            self._edge.free_stream()
        self._ended(error)


MAX_FOLLOWING_BYTES = 64 * 1024  # of the next requests, while one is being answered
MAX_HELD_PAGE_BYTES = 1024 * 1024  # of a body for Flask, which reads the rest in its thread
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Stage(enum.Enum):
    """The part of a request that a connection reads or answers."""

    IDLE = enum.auto()  # between two requests
    HEAD = enum.auto()
    BODY = enum.auto()
    STREAM = enum.auto()  # a thread reads the body, and may answer before its end
    ANSWER = enum.auto()  # nothing more of the request is read


class LoopConnection(TimedConnection):
    """One connection. A slow sender costs a socket, and no thread.

    `server`: the address of its listener, which a wildcard may be. `ahead`: what another process
    read of the first request.
    """

    def __init__(self, edge: LoopEdge, server: tuple[Any, ...], ahead: bytes = b"") -> None:
        super().__init__(edge.loop, edge.answers)
        self._edge = edge
        self._heads = HeadReader()
        self._stage = Stage.IDLE
        self._address: str | None = None
        self._server: tuple[str, int] = server[:2]
        self._following = b""
        self._ahead = ahead
        self._forget()

    def _forget(self) -> None:
        """Prepare for the next request."""
        self._head: ParsedHead | None = None
        self._request: HookRequest | None = None
        self._body: RequestBody | None = None
        self._page: PageCall | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else None
        self._edge.connections.add(self)
        self._wait_for_request()
        if self._ahead:
            self.data_received(self._ahead)

    def begin_end(self) -> None:
        """Shorten the waits: for another request, and for a client that reads nothing."""
        if self.is_stalled:
            self.pause_writing()
        if self._stage is Stage.IDLE and not self._following:
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        last = self._edge.timings.last_request_seconds
        seconds = last if self._answers.is_ending else self._edge.keep_alive_seconds
        self._arm(seconds, self.close)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._release()
        if self._page is not None:
            self._page.cut()
        self._edge.connections.discard(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._page is not None:
            self._page.writer.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._page is not None:
            self._page.writer.resume()
        if self._stage is Stage.IDLE:
            self._read_following()

    def eof_received(self) -> bool:
        self._has_ended = True
        if self.is_lingering:
            return False
        if self._stage in (Stage.BODY, Stage.STREAM):
            self._refuse(refuse_cut_short())
        # a peer that closes its own end still gets its answer
        return self._stage is Stage.ANSWER or bool(self._following)

    def data_received(self, data: bytes) -> None:
        if self.is_lingering:
            self._discard(data)
        elif self._must_wait():
            self._following += data
            if len(self._following) > MAX_FOLLOWING_BYTES:
                self._transport.pause_reading()
        elif self._stage in (Stage.IDLE, Stage.HEAD):
            self._read_head(data)
        else:
            self._read_body(data)

    def _read_head(self, data: bytes) -> None:
        if self._stage is Stage.IDLE:
            if self._edge.pass_on(self._transport, self._server, data):
                self.abort()  # closes the descriptor of this process alone
                return
            self._stage = Stage.HEAD
            self._arm(self._edge.timings.request_head_seconds, self.close)
        try:
            rest = self._heads.feed(data)
            if rest is None:
                return
            self._head = self._heads.read(self._address)
        except MalformedRequest as malformed:
            log.limited().warning("malformed_request", reason=str(malformed), client=self._address)
            self._transport.write(answer_malformed(malformed.status))
            self._end(keeps=False)
            return
        self._begin(self._head, rest)

    def _begin(self, head: ParsedHead, rest: bytes) -> None:
        """Begin a request whose head has arrived, with what follows the head."""
        edge = self._edge
        is_hook = edge.is_hook(head.request.path)
        intake = edge.find_intake(head.request.path, self._server)
        body = self._body = RequestBody(head.length, intake, edge.timings)
        self._stage = Stage.BODY
        self._arm(edge.timings.request_body_seconds, self._check_deadline)
        if is_hook:
            begun = edge.begin(head.request, self._server)
            if isinstance(begun, HookAnswer):
                with suppress(Refused):  # the connection is closed after the answer then
                    self._following = body.add(rest)
                self._answer(begun)
                return
            self._request = begun
            try:
                body.limit(begun.max_body, begun.network)
            except Refused as refused:
                self._refuse(refused)
                return
        elif not body.is_whole and not edge.takes_body(head.request, self._server):
            self._answer_page(head, b"")
            return
        if head.expects_continue and not rest and not body.is_whole:
            self._transport.write(CONTINUE)
        if self._request is None and (head.length or 0) > MAX_HELD_PAGE_BYTES:
            self._answer_while_reading(head, body)
            if self._page is None:
                return  # it is refused
        self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        head = self._head
        body = self._body
        if head is None or body is None:
            return
        try:
            rest = body.add(data)
        except Refused as refused:
            self._refuse(refused)
            return
        if body.is_whole:
            self._disarm()
            self._following = rest
            is_streamed = self._stage is Stage.STREAM
            self._stage = Stage.ANSWER
            if self._request is not None:
                self._arm(self._edge.timings.request_answer_seconds, self._abort_unanswered)
                self._edge.calls.answer(self._request, body.take(), self._answer)
            elif not is_streamed:
                self._answer_page(head, body.take())
        elif self._page is not None and self._page.stream is not None:
            if self._page.stream.is_behind:
                self._disarm()
                body.pause()
                self._transport.pause_reading()
        elif self._request is None and body.size > MAX_HELD_PAGE_BYTES:
            self._answer_while_reading(head, body)

    def _check_deadline(self) -> None:
        """Refuse a body that is too slow."""
        left = 0.0 if self._body is None else self._body.seconds_left
        if left > 0:
            self._arm(math.ceil(left * 1000) / 1000, self._check_deadline)
        else:
            self._refuse(refuse_cut_short())

    def _abort_unanswered(self) -> None:
        log.limited().error(
            "request_not_answered", seconds=self._edge.timings.request_answer_seconds
        )
        self.abort()

    def _answer_page(self, head: ParsedHead, body: bytes) -> None:
        """Let Flask answer a request with this body."""
        self._disarm()
        self._stage = Stage.ANSWER
        keeps = self._keeps_alive()
        self._page = PageCall(self._edge, self._transport, head, self._end_page, keeps=keeps)
        self._page.answer(body, self._server)

    def _answer_while_reading(self, head: ParsedHead, body: RequestBody) -> None:
        """Let a thread read the rest of a large body, so that the application can refuse it."""
        page = PageCall(self._edge, self._transport, head, self._end_page, keeps=False)
        try:
            page.answer_while_reading(body, self._server, self._resume_body)
        except Refused as refused:
            self._refuse(refused)
            return
        self._page = page
        self._stage = Stage.STREAM

    def _resume_body(self) -> None:
        """Read on: the thread has caught up."""
        if self._stage is Stage.STREAM and self._body is not None:
            self._body.resume()
            self._arm(max(self._body.seconds_left, 0.0), self._check_deadline)
            self._transport.resume_reading()

    def _end_page(self, error: BaseException | None) -> None:
        page = self._page
        if page is None or self._transport.is_closing():
            return
        self._page = None
        page.cut_body()
        if error is None:
            self._end(keeps=page.writer.keeps)
        elif page.writer.is_started or isinstance(error, ConnectionError):
            self.abort()  # the client must see that the answer is not whole
        else:
            self._answer(answer_refusal(error) if isinstance(error, Refused) else None)

    def _refuse(self, refused: Refused) -> None:
        if self._stage is Stage.STREAM and self._page is not None:
            self._disarm()
            self._stage = Stage.ANSWER
            self._page.cut_body()  # Flask answers
            return
        request = self._request
        self._answer(answer_refusal(refused) if request is None else request.refuse(refused))

    def _answer(self, answer: HookAnswer | None) -> None:
        """Write an answer; None stands for an unforeseen error."""
        if self._transport.is_closing():
            return
        if answer is None:
            answer = answer_refusal(refuse_unforeseen())
        keeps = self._keeps_alive() and not any(
            name.lower() == "connection" for name, _ in answer.headers
        )
        method = "" if self._head is None else self._head.request.method
        self._transport.write(answer_bytes(answer, method, keeps=keeps))
        self._end(keeps=keeps)

    def _keeps_alive(self) -> bool:
        """Return whether another request may follow: not after one whose body is outstanding."""
        return (
            self._head is not None
            and self._head.keeps_alive
            and self._edge.may_keep(self._head.request.path)
            and self._body is not None
            and self._body.is_whole
            and not self._has_ended
            and not self._edge.answers.is_ending
        )

    def _end(self, *, keeps: bool) -> None:
        """Go on to the next request, or close our end."""
        self._disarm()
        self._release()
        if not keeps or (self._has_ended and not self._following):
            self._linger()
            return
        self._forget()
        self._stage = Stage.IDLE
        self._transport.resume_reading()
        self._wait_for_request()
        if self._following:  # not here: many small requests in one packet would nest their calls
            self._loop.call_soon(self._read_following)

    def _must_wait(self) -> bool:
        """Return whether bytes that arrive wait: for an answer, earlier bytes, or a slow client."""
        is_between = self._stage is Stage.IDLE and self.is_stalled
        return is_between or self._stage is Stage.ANSWER or bool(self._following)

    def _read_following(self) -> None:
        following = self._following
        if following and not self.is_stalled and not self._transport.is_closing():
            self._following = b""
            self._transport.resume_reading()
            self.data_received(following)

    def _release(self) -> None:
        """Free what the request holds."""
        if self._body is not None:
            self._body.release()
        if self._page is not None:
            self._page.cut_body()
