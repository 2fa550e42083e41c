"""Connections whose every wait ends at the deadline of the whole call, and which know how far it
has come.

Built on the transport adapter of requests and urllib3, whose timeouts begin anew with each byte.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final, cast
from urllib.parse import urlsplit

import urllib3.exceptions as failure
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bridge.core.timings import TIMINGS

LEEWAY: Final = 0.02  # seconds by which a wait may end late


class Progress(threading.local):
    """How far the call of this thread has come, and until when it may go on."""

    deadline = float("inf")  #: monotonic
    connected = False
    sent = False  #: the last byte of the request was handed to the kernel
    peers: Callable[[str], bool] | None = None  #: which addresses it may connect to; None: any
    #: Seconds after which an idle connection is not used again. A server that closes it just as we
    #: write makes a start ambiguous, and common servers close after 5 s or more; what a
    #: shorter-lived one has closed already is noticed before it is used.
    idle_seconds = TIMINGS.connection_idle_seconds


progress = Progress()


def _remaining() -> float:
    """Return the seconds left of this thread's call."""
    left = progress.deadline - monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _Bounded:
    """What both kinds of socket share: every wait ends at the deadline of the whole call. A timeout
    alone starts anew with each byte.

    To set one is a call into the kernel, for which the interpreter is given up, so one that is as
    good as set already is not set again.
    """

    def settimeout(self, value: float | None) -> None:
        known = self.gettimeout()  # type: ignore[attr-defined]  # a mixin: the class beside it has it
        if not (value and known and abs(value - known) < LEEWAY):
            super().settimeout(value)  # type: ignore[misc]  # a mixin: the class beside it has it

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(_remaining())
        received: int = super().recv_into(*args, **options)  # type: ignore[misc]  # a mixin: the class beside it has it
        return received


class _Socket(_Bounded, socket.socket):
    def sendall(self, *args: Any) -> None:
        self.settimeout(_remaining())
        super().sendall(*args)


class TLSSocket(_Bounded, ssl.SSLSocket):
    """A socket over TLS, where sendall() is a loop around send()."""

    def send(self, *args: Any) -> int:
        self.settimeout(_remaining())
        return super().send(*args)


class _Deadlined:
    """What both kinds of connection share: how they connect, when they may be used again, and when
    a request has left.
    """

    host: str
    port: int
    _dns_host: str
    socket_options: Any
    sock: Any
    idle_since = 0.0
    _pieces: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time that is
        left.
        """
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise failure.NewConnectionError(self, "name not found") from error  # type: ignore[arg-type]  # the mixin is a connection where it is used
        reason: OSError = OSError("the name has no address")
        for left, (family, kind, protocol, _, address) in zip(
            range(len(addresses), 0, -1), addresses, strict=True
        ):
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
        raise failure.NewConnectionError(self, "no connection") from reason  # type: ignore[arg-type]  # the mixin is a connection where it is used

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # a mixin: the class beside it has it
        progress.connected = True

    @property
    def is_connected(self) -> bool:
        is_fresh = monotonic() - self.idle_since < progress.idle_seconds
        return is_fresh and bool(super().is_connected)  # type: ignore[misc]  # a mixin: the class beside it has it

    def send(self, data: Any) -> None:
        """Keep a piece of the request that is being written, until all are there: one call into the
        kernel, and one packet.
        """
        if self._pieces is None:
            super().send(data)  # type: ignore[misc]  # a mixin: the class beside it has it
        else:
            self._pieces.append(data)

    def request(self, *args: Any, **options: Any) -> None:
        progress.connected = self.sock is not None
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            super().request(*args, **options)  # type: ignore[misc]  # a mixin: the class beside it has it
        finally:
            self._pieces = None
        self.send(b"".join(pieces))
        # A request whose last byte never left cannot have been acted on: its body is shorter than
        # its Content-Length.
        progress.sent = True

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]  # a mixin: the class beside it has it
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
    """The adapter of requests with our connections, and one TLS context instead of one per
    connection.
    """

    def __init__(self, context: ssl.SSLContext | None, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=32, pool_maxsize=connections, max_retries=0)

    def call(
        self, request: PreparedRequest, timeout: float, proxies: Mapping[str, str]
    ) -> BaseHTTPResponse:
        """Send a request and return its answer, of which the body is still to be read."""
        return cast(
            "BaseHTTPResponse", self.send(request, stream=True, timeout=timeout, proxies=proxies)
        )

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)
        self._use_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options, ssl_context=self._context)
        self._use_ours(manager)
        return manager

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool of the URL's host; requests would look for a proxy, and make a key of all
        that it may be asked for.
        """
        if proxies:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        host, _ = self.build_connection_pool_key_attributes(request)
        return self.poolmanager.connection_from_host(**host)

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any) -> Any:
        parts = urlsplit(request.url or "")
        return {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}, {}

    def cert_verify(self, *_: Any) -> None:
        """Leave the certificates to the context, which requires them."""

    def build_response(self, _: PreparedRequest, resp: Any) -> Any:
        """Return urllib3's own response; to make one of requests of it, with cookies and encodings,
        would cost a sixth of the call.
        """
        return resp

    @staticmethod
    def _use_ours(manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
