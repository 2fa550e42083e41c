"""A call of Flask for which the machine starts no thread holds nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from bridge.web.server.event_loop.page_call import PageCall


def test_a_large_body_without_a_thread_holds_no_stream() -> None:
    streams: list[Any] = []

    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    async def call() -> None:
        edge: Any = SimpleNamespace(
            loop=asyncio.get_running_loop(),
            take_stream=lambda: streams.append(None) or True,
            free_stream=streams.pop,
            call_flask=refuse,
        )
        head: Any = SimpleNamespace(may_chunk=True, length=10, request=None)
        page = PageCall(edge, None, head, lambda _error: None, keeps=False)
        body: Any = SimpleNamespace(divert=lambda _stream: None)
        with pytest.raises(RuntimeError, match="thread"):
            page.answer_while_reading(body, ("127.0.0.1", 1), lambda: None)
        assert streams == []
        assert page.stream is not None
        with pytest.raises(TimeoutError):  # a thread that takes the call later does not wait
            page.stream.read(1)

    asyncio.run(call())
