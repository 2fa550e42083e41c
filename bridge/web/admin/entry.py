"""The entry of the admin API. Its modules are imported at the first request, to save memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from werkzeug.wrappers import Request

if TYPE_CHECKING:
    from bridge.web.admin.context import AdminContext

PREFIX: Final = "/admin/v1"
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def admin_app(context: AdminContext) -> WsgiApp:
    """Return the WSGI application of the paths below /admin/v1."""

    mutex = Lock()

    @cache
    def create() -> Any:
        from bridge.web.admin.api import AdminApi

        return AdminApi(context)

    def load() -> Any:
        with mutex:  # first requests that come together must not create several, each with seats
            return create()

    def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = load()(Request(environ))
        answered: Iterable[bytes] = response(environ, start_response)
        return answered

    return wsgi


def is_admin_path(path: str) -> bool:
    """Return whether the admin API answers a path."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")
