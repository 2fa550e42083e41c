"""A call of Flask for which the machine starts no thread is refused, and holds nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn

from bridge.core.errors import Refused
from bridge.core.timings import TIMINGS
from bridge.web.receiving.hook_messages import RequestHead
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.connection import PageCall
from bridge.web.server.event_loop.loop_edge import LoopEdge

HEAD = RequestHead(
    method="POST",
    path="/",
    target="/",
    query_string="",
    headers={},
    scheme="http",
    address=None,
    protocol="HTTP/1.1",
)


class NoThreads:
    def submit(self, *_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")


def test_a_large_body_without_a_thread_is_refused_and_holds_no_stream() -> None:
    ended: list[BaseException | None] = []

    async def call() -> None:
        anything: Any = None
        threads: Any = SimpleNamespace(flask=NoThreads(), flask_places=4)
        edge = LoopEdge(
            loop=asyncio.get_running_loop(),
            parts=anything,
            app=anything,
            calls=anything,
            timings=TIMINGS,
            answers=AnswerLimits(1.0),
            keep_alive_seconds=1.0,
            threads=threads,
        )
        head: Any = SimpleNamespace(may_chunk=True, length=10, request=HEAD)
        body: Any = SimpleNamespace(divert=lambda _stream: None)
        for _ in range(2):  # there is one place
            page = PageCall(edge, None, head, ended.append, keeps=False)
            page.answer_while_reading(body, ("127.0.0.1", 1), lambda: None)
            await asyncio.sleep(0)

    asyncio.run(call())
    assert [(type(one), getattr(one, "status", None)) for one in ended] == [(Refused, 503)] * 2
