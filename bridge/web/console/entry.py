"""The entry of the console. Its modules are imported at the first request, to save memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request

if TYPE_CHECKING:
    from bridge.web.admin.context import AdminContext

PREFIX: Final = "/console"
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def console_app(context: AdminContext, secret_key: str) -> WsgiApp:
    """Return the WSGI application of the paths below /console; `secret_key` signs its cookies."""

    mutex = Lock()

    @cache
    def create() -> Any:
        from bridge.web.console.application import Console

        return Console(context, secret_key)

    def load() -> Any:
        with mutex:  # first requests that come together must not create several
            return create()

    def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = load()(Request(environ))
        answered: Iterable[bytes] = response(environ, start_response)
        return answered

    return wsgi


def is_console_path(path: str) -> bool:
    """Return whether the console answers a path."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")
