"""Connections whose every wait ends at the deadline of the whole call, and which know how far it has come.

Built on the transport adapter of requests and urllib3, whose timeouts begin anew with each byte.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3.exceptions as failure
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: Seconds after which an idle connection is not used again. A server that closes it just as we write makes a start ambiguous,
#: and common servers close after 5 s or more; what a shorter-lived one has closed already is noticed before it is used.
MAX_IDLE: Final = 4.0


class Progress(threading.local):
    """How far the call of this thread has come, and until when it may go on."""

    deadline = float("inf")  #: monotonic
    connected = False
    sent = False  #: the last byte of the request was handed to the kernel
    peers: Callable[[str], bool] | None = None  #: which addresses it may connect to; None: any


progress = Progress()


def _remaining() -> float:
    """Return the seconds left of this thread's call."""
    left = progress.deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _Socket(socket.socket):
    """A socket whose every wait ends at the deadline of the whole call: a timeout alone starts anew with each byte."""

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(_remaining())
        return super().recv_into(*args, **options)

    def sendall(self, *args: Any) -> None:
        self.settimeout(_remaining())
        super().sendall(*args)


class TLSSocket(ssl.SSLSocket):
    """The same over TLS, where sendall() is a loop around send()."""

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(_remaining())
        return super().recv_into(*args, **options)

    def send(self, *args: Any) -> int:
        self.settimeout(_remaining())
        return super().send(*args)


class _Deadlined:
    """What both kinds of connection share: how they connect, when they may be used again, and when a request has left."""

    host: str
    port: int
    _dns_host: str
    socket_options: Any
    sock: Any
    idle_since = 0.0
    _pieces: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time that is left."""
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise failure.NewConnectionError(self, "name not found") from error  # type: ignore[arg-type]
        reason: OSError = OSError("the name has no address")
        for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            if progress.peers is not None and not progress.peers(str(address[0])):
                reason = PermissionError("an address that is not allowed")
                continue
            sock = _Socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(_remaining() / left)
                sock.connect(address)
                sock.settimeout(_remaining())
                return sock
            except OSError as error:
                sock.close()
                reason = error
        raise failure.NewConnectionError(self, "no connection") from reason  # type: ignore[arg-type]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        progress.connected = True

    @property
    def is_connected(self) -> bool:
        return monotonic() - self.idle_since < MAX_IDLE and bool(super().is_connected)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Keep a piece of the request that is being written, until all are there: one call into the kernel, and one packet."""
        if self._pieces is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._pieces.append(data)

    def request(self, *args: Any, **options: Any) -> None:
        progress.connected = self.sock is not None
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            super().request(*args, **options)  # type: ignore[misc]
        finally:
            self._pieces = None
        self.send(b"".join(pieces))
        # A request whose last byte never left cannot have been acted on: its body is shorter than its Content-Length.
        progress.sent = True

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self.idle_since = monotonic()
        return response


class _Connection(_Deadlined, HTTPConnection):
    pass


class _TLSConnection(_Deadlined, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """The adapter of requests with our connections, and one TLS context instead of one per connection."""

    def __init__(self, context: ssl.SSLContext | None, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=32, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)
        self._use_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options, ssl_context=self._context)
        self._use_ours(manager)
        return manager

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any) -> Any:
        parts = urlsplit(request.url or "")
        return {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}, {}

    def cert_verify(self, *_: Any) -> None:
        """Leave the certificates to the context, which requires them."""

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return a response of which only `raw` is used; reading cookies and encodings would cost a sixth of the call."""
        response = Response()
        response.request, response.raw = req, resp
        return response

    @staticmethod
    def _use_ours(manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
