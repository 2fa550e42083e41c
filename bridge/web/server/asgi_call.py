"""Answers a request of another ASGI server, and reads its body within limits."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bridge.core.errors import Refused
from bridge.providers.model import Reply
from bridge.web.hook_messages import (
    HookAnswer,
    RequestHead,
    answer_refusal,
    answer_reply,
    refuse_unforeseen,
)
from bridge.web.hook_receiver import HookRequest
from bridge.web.listeners import NOT_FOUND_BODY
from bridge.web.server.asgi_requests import Receive, Send, encode_headers
from bridge.web.server.asgi_writer import AsgiThreadWriter
from bridge.web.server.event_loop.body_decoder import ServerDecoder
from bridge.web.server.event_loop.connection import MAX_HELD_PAGE_BYTES
from bridge.web.server.event_loop.loop_edge import LoopEdge, stream_body
from bridge.web.server.event_loop.request_body import RequestBody, refuse_cut_short
from bridge.web.server.event_loop.streamed_body import StreamedBody
from bridge.web.server.event_loop.wsgi_calls import BODILESS_STATUSES
from bridge.web.server.http_limits import LINGER_BYTES, LINGER_SECONDS

T = TypeVar("T")


class AsgiCall:
    """Answers one request.

    `length`: of the body, None where none is declared. `may_close`: the protocol has a header that
    ends the connection after the answer.
    """

    def __init__(
        self,
        edge: LoopEdge,
        head: RequestHead,
        length: int | None,
        server: tuple[str, int],
        receive: Receive,
        send: Send,
        *,
        may_close: bool,
    ) -> None:
        self._edge = edge
        self._head = head
        self._server = server
        self._receive = receive
        self._send = send
        self._may_close = may_close
        self._is_hook = edge.is_hook(head.path)
        self._decoder = ServerDecoder(length)
        intake = edge.find_intake(head.path, server)
        self._body = RequestBody(length, intake, edge.timings, self._decoder)
        self._is_gone = False
        self._stream: StreamedBody | None = None
        self._drained = asyncio.Event()

    async def answer(self) -> None:
        """Answer the request."""
        try:
            if self._is_hook:
                await self._answer_hook()
            elif self._edge.parts.faces.hides(self._head.path, self._server):
                await self._write(answer_reply(Reply(404, body=NOT_FOUND_BODY)))
            else:
                await self._answer_page()
        finally:
            self._body.release()

    # -- the body

    async def _read(self, most: int | None = None) -> None:
        """Read the body until it is whole, or has more than `most` bytes. Raises `Refused`."""
        while not self._decoder.is_whole and (most is None or self._body.size <= most):
            await self._read_piece()

    async def _read_piece(self) -> None:
        try:
            async with asyncio.timeout(max(self._body.seconds_left, 0.0)):
                data = await self._next_piece()
        except TimeoutError:
            raise refuse_cut_short() from None
        if data is None:
            raise refuse_cut_short()
        self._body.add(data)

    async def _next_piece(self) -> bytes | None:
        """Return the next bytes of the body; None where the client is gone."""
        message = await self._receive()
        if message["type"] != "http.request":
            self._is_gone = True
            return None
        self._decoder.is_whole = not message.get("more_body", False)
        data: bytes = message.get("body", b"")
        return data

    async def _linger(self) -> None:
        """Drop the rest of a body, up to a limit, so that the client reads its answer."""
        left = LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and not self._decoder.is_whole:
                    data = await self._next_piece()
                    if data is None:
                        return
                    left -= len(data)

    # -- /hooks

    async def _answer_hook(self) -> None:
        begun = self._edge.begin(self._head, self._server)
        if isinstance(begun, HookAnswer):
            await self._write(begun)
            return
        try:
            self._body.limit(begun.max_body, begun.network)
            await self._read()
        except Refused as refused:
            answer: HookAnswer | None = begun.refuse(refused)
        else:
            answer = await self._receive_hook(begun)
        await self._write(answer)

    async def _receive_hook(self, request: HookRequest) -> HookAnswer | None:
        answered: asyncio.Future[HookAnswer | None] = self._edge.loop.create_future()
        self._edge.calls.answer(request, self._body.take(), partial(_resolve, answered))
        return await answered

    # -- pages

    async def _answer_page(self) -> None:
        is_read = self._has_no_more() or self._edge.takes_body(self._head, self._server)
        try:
            if is_read and (self._body.length or 0) <= MAX_HELD_PAGE_BYTES:
                await self._read(MAX_HELD_PAGE_BYTES)
            stdin = self._open_body() if is_read else io.BytesIO()
        except Refused as refused:
            await self._write(answer_refusal(refused))
            return
        closes = self._may_close and not self._decoder.is_whole
        writer = AsgiThreadWriter(self._edge.loop, self._send, self._edge.answers, closes=closes)
        watch = self._edge.loop.create_task(self._watch(writer))
        try:
            error = await self._call_flask(stdin, writer)
        finally:
            watch.cancel()
            writer.disconnect()
            if self._stream is not None:
                self._stream.cut()
        await asyncio.wait([watch])
        if error is None:
            await self._end()
        elif not (self._is_gone or writer.is_started or isinstance(error, ConnectionError)):
            await self._write(answer_refusal(error) if isinstance(error, Refused) else None)
        # else the server closes the connection: the client must see that the answer is not whole

    def _open_body(self) -> io.BufferedIOBase:
        """Return the body for Flask: its bytes, or a stream of one that is not whole.

        Raises `Refused` where too many threads read streams.
        """
        if self._decoder.is_whole:
            return io.BytesIO(self._body.take())
        self._stream = stream_body(self._edge, self._body, self._drained.set)
        return io.BufferedReader(self._stream)

    async def _call_flask(
        self, stdin: io.BufferedIOBase, writer: AsgiThreadWriter
    ) -> BaseException | None:
        edge = self._edge
        ended: asyncio.Future[BaseException | None] = edge.loop.create_future()

        def end(error: BaseException | None) -> None:
            if self._stream is not None:
                edge.free_stream()
            _resolve(ended, error)

        length = self._body.size if self._stream is None else self._body.length
        edge.call_flask(self._head, stdin, length, self._server, writer, end)
        return await ended

    async def _watch(self, writer: AsgiThreadWriter) -> None:
        """Pass the rest of the body to Flask, or drop it where nothing reads it; then end the
        answer when the client disconnects.
        """
        stream = self._stream
        while stream is None and not (self._decoder.is_whole or self._is_gone):
            await self._next_piece()
        try:
            while stream is not None and not self._decoder.is_whole:
                await self._read_piece()
                if stream.is_behind:
                    self._body.pause()
                    await self._drained.wait()
                    self._drained.clear()
                    self._body.resume()
        except Refused:
            if stream is not None:
                stream.cut()  # Flask fails to read the rest, and answers
        while not self._is_gone:
            self._is_gone = (await self._receive())["type"] == "http.disconnect"
        writer.disconnect()

    # -- the answer

    async def _write(self, answer: HookAnswer | None) -> None:
        """Write an answer; None stands for an unforeseen error."""
        if answer is None:
            answer = answer_refusal(refuse_unforeseen())
        closes = self._may_close and not self._has_no_more()
        headers = encode_headers(answer.headers, closes=closes)
        bodiless = self._head.method == "HEAD" or answer.status in BODILESS_STATUSES
        body = b"" if bodiless else answer.body
        with suppress(OSError):  # the client is gone
            await self._send(
                {"type": "http.response.start", "status": answer.status, "headers": headers}
            )
            if self._has_no_more():
                await self._send({"type": "http.response.body", "body": body})
                return
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self._end()

    async def _end(self) -> None:
        """End an answer, once the client has read it."""
        if not self._has_no_more():
            await self._linger()
        with suppress(OSError):
            await self._send({"type": "http.response.body", "body": b""})

    def _has_no_more(self) -> bool:
        """Return whether nothing of the request is outstanding."""
        if self._decoder.is_whole or self._is_gone or self._body.length == 0:
            return True
        is_framed = self._body.length is not None or "transfer-encoding" in self._head.headers
        return self._may_close and not is_framed


def _resolve(future: asyncio.Future[T], result: T) -> None:
    """Set the result of a future, unless the server has cancelled the request."""
    if not future.done():
        future.set_result(result)
