"""The ASGI application for another server: webhooks on its event loop, all else in threads.

That server reads heads and frames bodies, so the limits and times of heads are its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from flask import Flask

from bridge.config.settings import Settings
from bridge.system.logs import get_logger
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.asgi_call import AsgiCall
from bridge.web.server.asgi_requests import (
    Receive,
    Scope,
    Send,
    read_head,
    read_server,
    refuse_head,
)
from bridge.web.server.event_loop.edge_setup import make_edge
from bridge.web.server.event_loop.http_parser import MalformedRequest
from bridge.web.server.event_loop.loop_edge import LoopEdge

log = get_logger()
CHECK_SECONDS: Final = 0.02  # between two checks whether all requests are answered


class AsgiApp:
    """The application. It calls `begin` once in each process that serves, and `end` at its end.

    A process begins with the server's lifespan, or with the first request of a server without one.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        begin: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self._app = app
        self._settings = settings
        self._begin = begin
        self._end = end
        self._edge: LoopEdge | None = None
        self._running = 0  # requests that are being answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the lifespan of the server."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise ValueError(f"ASGI has no scope {scope['type']!r} that flowbridge serves")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Answer the lifespan of the server: begin and end with it."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
            try:
                self._start()
            except Exception as error:
                log.error("process_failed", exc_info=error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})

    def _start(self) -> LoopEdge:
        """Return the edge of this process; the first call begins."""
        if self._edge is None:
            self._begin()
            timings = self._settings.timings
            self._edge = make_edge(
                asyncio.get_running_loop(),
                self._app,
                timings=timings,
                answers=AnswerLimits(timings.answer_stall_seconds),
                flask_places=self._settings.pool,
                keep_alive_seconds=0.0,  # the server's own
            )
        return self._edge

    async def _stop(self) -> None:
        """Answer the requests in progress, then free what this process holds."""
        edge = self._edge
        if edge is None:
            return
        edge.answers.is_ending = True
        until = time.monotonic() + self._settings.timings.stop_seconds
        while self._running and time.monotonic() < until:
            await asyncio.sleep(CHECK_SECONDS)
        self._edge = None
        edge.threads.shut_down()
        await edge.loop.run_in_executor(None, edge.parts.storage.database.close)
        self._end()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        edge = self._start()
        may_close = is_old(scope)
        try:
            head, length = read_head(scope)
        except MalformedRequest as malformed:
            client = (scope.get("client") or (None,))[0]
            log.limited().warning("malformed_request", reason=str(malformed), client=client)
            await refuse_head(send, malformed.status, closes=may_close)
            return
        server = read_server(scope)
        call = AsgiCall(edge, head, length, server, receive, send, may_close=may_close)
        self._running += 1
        try:
            await call.answer()
        finally:
            self._running -= 1


def is_old(scope: Scope) -> bool:
    """Return whether a request came by HTTP/1, where a header ends the connection."""
    version: str = scope.get("http_version", "1.1")
    return version.startswith("1")
