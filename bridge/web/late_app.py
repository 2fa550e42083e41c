"""Parts of the application that are created at their first request, to save memory until then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, Final

from werkzeug.wrappers import Request

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]

#: The extension of the Flask application that has its `LateUse`.
LATE_USE: Final = "flowbridge_late_use"


class LateUse:
    """Records when a process last used the parts that it created late. Thread-safe.

    They take some 30 MB that only the end of the process frees: modules, templates, and pages of
    the parent's memory that were written to.
    """

    def __init__(self) -> None:
        self._mutex = Lock()
        self._running = 0
        self._ended_at: float | None = None

    @contextmanager
    def note(self) -> Iterator[None]:
        """Record a request to one of the parts, until the end of the block."""
        with self._mutex:
            self._running += 1
        try:
            yield
        finally:
            with self._mutex:
                self._running -= 1
                self._ended_at = time.monotonic()

    def idle_seconds(self) -> float | None:
        """Return the time since the last request; None during one, and before the first."""
        with self._mutex:
            if self._running or self._ended_at is None:
                return None
            return time.monotonic() - self._ended_at


def create_late(create: Callable[[], Any], use: LateUse) -> WsgiApp:
    """Return a WSGI application that creates its part at the first request.

    `create` imports the modules of the part, and returns a function from a request to a response.
    `use` records each request.
    """
    mutex = Lock()
    create_once = cache(create)

    def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with use.note():
            with mutex:  # first requests that come together must not create several
                answer = create_once()
            response = answer(Request(environ))
            answered: Iterable[bytes] = response(environ, start_response)
            return answered

    return wsgi
