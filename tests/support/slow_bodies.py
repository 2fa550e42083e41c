"""Bodies of requests that arrive slowly, sent to an application without a server."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask

from bridge.web.admin.limits import MAX_REQUESTS


class SlowBody(io.RawIOBase):
    """A body whose bytes come once `end` is set. `begun` counts the bodies that are awaited."""

    def __init__(self, content: bytes, begun: threading.Semaphore, end: threading.Event) -> None:
        self._begun = begun
        self._end = end
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(at, whence)

    def tell(self) -> int:
        return self._content.tell()

    def readinto(self, buffer: Any) -> int:
        if self._content.tell() == 0:
            self._begun.release()
            assert self._end.wait(120)
        return self._content.readinto(buffer)


@contextmanager
def awaiting_bodies(
    app: Flask, path: str, content: bytes, headers: Mapping[str, str]
) -> Iterator[list[int]]:
    """POST as many bodies as there are places for readers, of which no byte comes before the block
    ends. Yield the list of the statuses, which are there after the block.
    """
    begun = threading.Semaphore(0)
    end = threading.Event()
    statuses: list[int] = []

    def send() -> None:
        answer = app.test_client(use_cookies=False).post(
            path,
            input_stream=SlowBody(content, begun, end),
            headers={**headers, "Content-Length": str(len(content))},
        )
        statuses.append(answer.status_code)

    senders = [threading.Thread(target=send) for _ in range(MAX_REQUESTS)]
    for one in senders:
        one.start()
    try:
        for _ in senders:
            assert begun.acquire(timeout=60)
        yield statuses
    finally:
        end.set()
        for one in senders:
            one.join()
