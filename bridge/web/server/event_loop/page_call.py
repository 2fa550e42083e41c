"""A request that Flask answers in a thread, while the event loop reads and writes its bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from bridge.web.server.event_loop.http_parser import ParsedHead
from bridge.web.server.event_loop.loop_edge import LoopEdge, stream_body
from bridge.web.server.event_loop.request_body import RequestBody
from bridge.web.server.event_loop.streamed_body import StreamedBody
from bridge.web.server.event_loop.thread_writer import LoopThreadWriter


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
