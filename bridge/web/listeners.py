"""The paths of the public listener, for senders, and of the private one, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.config.addresses import Address, is_loopback
from bridge.config.allowed_hosts import find_own_hosts, is_own_host
from bridge.config.settings import Settings

PRIVATE_PATHS = {"api": "/api/v1", "metrics": "/metrics", "console": "/console", "admin": "/admin"}
PRIVATE_PREFIXES = tuple(PRIVATE_PATHS.values())
NOT_FOUND_BODY = b'{"error":"not_found","message":"no such resource"}'
# prefixes of the headers that proxies add
PROXY_HEADER_PREFIXES = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_")


class ListenerPaths:
    """Decide by the socket of a request which paths it may reach; no header can grant any."""

    def __init__(self, settings: Settings) -> None:
        self._private = settings.private_bind
        self._named = {_as_text(bind) for bind in (settings.bind, self._private) if bind}
        self._one_is_loopback = is_loopback(settings.bind[0])
        self._serves_console = settings.serves_console
        self._exposed = tuple(PRIVATE_PATHS[name] for name in settings.expose)
        self._hosts = find_own_hosts(settings, settings.private_bind or settings.bind)

    def serves(self, path: str, environ: Mapping[str, Any]) -> bool:
        """Return whether the socket of this request serves `path`."""
        if not self.may_serve(path, environ["SERVER_NAME"], environ["SERVER_PORT"]):
            return False
        return (
            self._private is not None or not self._is_private(path) or not self._is_proxied(environ)
        )

    def may_serve(self, path: str, name: str, port: str) -> bool:
        """Return whether the socket with this address serves `path` to any request."""
        if not self._serves_console and _under(path, (PRIVATE_PATHS["console"],)):
            return False
        if not self.serves_public(name, port):
            return _under(path, PRIVATE_PREFIXES)
        return not self._is_private(path) or (self._private is None and self._one_is_loopback)

    def serves_console(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the client of this request reaches the console by the same socket."""
        return self.serves(PRIVATE_PATHS["console"], environ)

    def is_local_browser(self, environ: Mapping[str, Any]) -> bool:
        """Return whether a browser on this machine sent the request to the console's socket.

        Both ends and the Host header are loopback, and no proxy forwarded it.
        """
        return (
            "text/html" in environ.get("HTTP_ACCEPT", "")
            and is_loopback(environ["SERVER_NAME"])
            and is_loopback(environ.get("REMOTE_ADDR") or "")
            and is_own_host(environ.get("HTTP_HOST", ""), frozenset())
            and not self._is_proxied(environ)
            and self.serves_console(environ)
        )

    def serves_public(self, name: str, port: str) -> bool:
        """Return whether the socket with this address serves the public paths."""
        return self._private is None or (name, port) != _as_text(self._private)

    def hides(self, path: str, server: tuple[str, int]) -> bool:
        """Return whether a path is private, and no setting names the socket of its request.

        The server chose such an address, so the settings do not show which networks reach it.
        """
        return self._is_private(path) and _as_text(server) not in self._named

    def knows_host(self, path: str, environ: Mapping[str, Any]) -> bool:
        """Return whether the Host header is allowed: any for public paths, our own for private."""
        return not _under(path, PRIVATE_PREFIXES) or self._is_own(environ)

    def _is_private(self, path: str) -> bool:
        """Return whether a path is private, and not exposed."""
        return _under(path, PRIVATE_PREFIXES) and not _under(path, self._exposed)

    def _is_own(self, environ: Mapping[str, Any]) -> bool:
        return is_own_host(environ.get("HTTP_HOST", ""), self._hosts)

    def _is_proxied(self, environ: Mapping[str, Any]) -> bool:
        """Return whether a proxy forwarded the request.

        A proxy on this machine makes every sender look local.
        """
        return any(name.startswith(PROXY_HEADER_PREFIXES) for name in environ) or not self._is_own(
            environ
        )


def _under(path: str, prefixes: tuple[str, ...]) -> bool:
    path = "/" + path.lstrip("/")  # as Flask reads it: //api/v1 is /api/v1
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def _as_text(address: Address) -> tuple[str, str]:
    return address[0], str(address[1])
