"""Parts of the application that are created at their first request, to save memory until then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from threading import Lock
from typing import Any

from werkzeug.wrappers import Request

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def create_late(create: Callable[[], Any]) -> WsgiApp:
    """Return a WSGI application that answers with what `create` returns at the first request.

    That is a function from a request to a response. `create` imports its modules itself.
    """
    mutex = Lock()
    create_once = cache(create)

    def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with mutex:  # first requests that come together must not create several
            answer = create_once()
        response = answer(Request(environ))
        answered: Iterable[bytes] = response(environ, start_response)
        return answered

    return wsgi
