"""HTTP connections with one deadline for the whole call, which record its progress.

They extend the transport adapter of requests and urllib3, whose timeouts restart with each byte.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar, cast

import urllib3.exceptions as failure
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bridge.core.http_messages import Answer
from bridge.system.boot_clock import boot_seconds
from bridge.system.deadline_sockets import PlainSocket, progress, remaining_seconds
from bridge.system.http_head import (
    HeadReader,
    encode_host,
    encode_request,
    parse_target,
    read_answer,
)


class _DeadlineConnection:
    """Mixin for connections: connect, allow reuse, and record when a request is sent."""

    host: str
    port: int
    default_port: ClassVar[int]
    _dns_host: str
    socket_options: Any
    sock: Any
    idle_since = 0.0
    _pieces: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time left."""
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
            sock = PlainSocket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(remaining_seconds() / left)
                sock.connect(address)
                sock.settimeout(remaining_seconds())
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
        is_fresh = boot_seconds() - self.idle_since < progress.idle_seconds
        return is_fresh and bool(super().is_connected)  # type: ignore[misc]  # a mixin: the class beside it has it

    def send(self, data: Any) -> None:
        """Buffer the pieces of a request, so that it takes one system call and one packet."""
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
        # A server cannot act on a request whose last byte was not sent: its body is shorter than
        # its Content-Length.
        progress.sent = True

    def getresponse(self) -> Any:
        return self._note_answer(super().getresponse())  # type: ignore[misc]  # a mixin: the class beside it has it

    def exchange(self, request: PreparedRequest, path: str) -> HeadReader:
        """Send a request, and read the head of its answer.

        It does what `request` and `getresponse` do, in one write and without their steps.
        """
        progress.connected = self.sock is not None
        method = cast("str", request.method)
        body = cast("bytes | None", request.body)
        data = encode_request(method, path, self._host_header, request.headers, body)
        if self.sock is None:
            self.connect()
        # A server that closed the connection may have answered before that.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)
            progress.sent = True  # the kernel has all of it; `request` does the same
        head = HeadReader(self.sock, method=method)
        try:
            head.begin()
        except BaseException:
            head.close()
            raise
        if head.will_close:
            cast("Any", self).close()  # the answer still has the socket
        return cast("HeadReader", self._note_answer(head))

    @cached_property
    def _host_header(self) -> str:
        return encode_host(self.host, self.port, self.default_port)

    def _note_answer(self, response: Any) -> Any:
        self.idle_since = boot_seconds()
        return response


class _Connection(_DeadlineConnection, HTTPConnection):
    pass


class _TLSConnection(_DeadlineConnection, HTTPSConnection):
    pass


class _DirectPool:
    """Mixin for pools: make calls that urllib3 neither repeats nor redirects."""

    def call(self, request: PreparedRequest, path: str, most: int) -> Answer | HTTPResponse:
        """Send a request on a connection of the pool, and return its answer.

        A body of at most `most` bytes that needs no decoding is read. Otherwise the connection
        returns to the pool once the response is read.
        """
        pool = cast("HTTPConnectionPool", self)
        connection: Any = pool._get_conn()
        head: HeadReader | None = None
        try:
            head = connection.exchange(request, path)
            answer = read_answer(head, most)
            if answer is None:  # this raises an error where there are two lengths
                return HTTPResponse(
                    body=head,
                    headers=head.fields,
                    status=head.status,
                    reason=head.reason,
                    preload_content=False,
                    original_response=head,
                    request_method=request.method,
                    pool=pool,
                    connection=connection,
                )
        except BaseException:
            if head is not None:
                head.close()
            connection.close()
            pool._put_conn(None)
            raise
        if answer.truncated:
            connection.close()
        pool._put_conn(connection)
        return answer


class _Pool(_DirectPool, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(_DirectPool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """Transport adapter of requests with our connections and one TLS context for all of them."""

    def __init__(self, context: ssl.SSLContext | None, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=32, pool_maxsize=connections, max_retries=0)

    def call(
        self, request: PreparedRequest, proxies: Mapping[str, str], most: int
    ) -> Answer | BaseHTTPResponse:
        """Send a request and return its answer, or a response whose body is not read yet.

        Without a proxy, the connection makes the call by itself: `send` of requests and `urlopen`
        of urllib3 take longer than the call.
        """
        if proxies:
            return cast(
                "BaseHTTPResponse",
                self.send(request, stream=True, timeout=remaining_seconds(), proxies=proxies),
            )
        target = parse_target(request.url or "")
        pool = self.poolmanager.connection_from_host(
            target.host, port=target.port, scheme=target.scheme
        )
        return cast("_Pool", pool).call(request, target.path, most)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)
        self._use_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options, ssl_context=self._context)
        self._use_ours(manager)
        return manager

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any) -> Any:
        """Return the pool key of the URL's host. requests' own would verify certificates twice."""
        target = parse_target(request.url or "")
        return {"scheme": target.scheme, "host": target.host, "port": target.port}, {}

    def cert_verify(self, *_: Any) -> None:
        """Do nothing: the TLS context verifies certificates."""

    def build_response(self, _: PreparedRequest, resp: Any) -> Any:
        """Return urllib3's response; converting it for requests takes a sixth of the call."""
        return resp

    @staticmethod
    def _use_ours(manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
