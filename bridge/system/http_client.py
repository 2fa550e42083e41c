"""HTTP client for all outgoing calls: one request, one response or `NoAnswer`, one deadline.

It uses the transport adapter of requests, not a Session: it follows no redirects, stores no
cookies, reads no netrc and no proxy variables, and retries nothing.

The connections have one deadline for the whole call and record its progress: they extend the
transport adapter of requests and urllib3, whose timeouts restart with each byte.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException, RemoteDisconnected
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import certifi
import urllib3.exceptions as failure
from requests import PreparedRequest, RequestException
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse, HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.timings import TIMINGS
from bridge.system.boot_clock import NO_DEADLINE, Deadline, boot_seconds
from bridge.system.deadline_sockets import PlainSocket, TLSSocket, progress, remaining_seconds
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

    def call(self, request: PreparedRequest, path: str, limit: int) -> Answer | HTTPResponse:
        """Send a request on a connection of the pool, and return its answer.

        A body of at most `limit` bytes that needs no decoding is read. Otherwise the connection
        returns to the pool once the response is read.
        """
        pool = cast("HTTPConnectionPool", self)
        connection: Any = pool._get_conn()
        head: HeadReader | None = None
        try:
            head = connection.exchange(request, path)
            answer = read_answer(head, limit)
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
        self, request: PreparedRequest, proxies: Mapping[str, str], limit: int
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
        return cast("_Pool", pool).call(request, target.path, limit)

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


MAX_ANSWER_BYTES: Final = 256 * 1024  # bytes
UNREAD: Final = -1  # no body is shorter, so the caller reads each one itself
PIECE_BYTES: Final = 256 * 1024  # of a body that the caller reads by pieces
FAILURES: Final = (RequestException, failure.HTTPError, HTTPException, OSError, ValueError)


class BrokenAnswer(Exception):
    """The body of an answer ended early, or a piece of it did not come in time."""


class OpenAnswer:
    """An answer whose body is read by pieces. `headers` have lower-case names."""

    def __init__(self, response: BaseHTTPResponse, timeout: float) -> None:
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._timeout = timeout

    def read_pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises `BrokenAnswer` where it ends early.

        The body must be chunked: the end of any other could be a lost connection.
        """
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            raise BrokenAnswer("a break would look like its end")
        while True:
            progress.deadline = Deadline.after(self._timeout)
            try:
                piece = self._response.read1(PIECE_BYTES, decode_content=False)
            except FAILURES as error:
                is_slow = any(isinstance(cause, TimeoutError) for cause in _causes(error))
                late = f"nothing came for {self._timeout:g} s"
                raise BrokenAnswer(late if is_slow else "it was broken off") from error
            finally:
                progress.deadline = NO_DEADLINE
            if not piece:
                return
            yield piece


class HttpClient:
    """Client for outgoing calls. It is thread-safe; create it after a fork.

    `ca_file`: the CA certificates to trust instead of certifi's and the system's. `proxies`:
    {"https": URL} as in requests; proxies of the environment are ignored. `idle_seconds`: how long
    an idle connection may be reused. `peers`: tells whether an IP address may be connected to. It
    gets the address of the connection itself, so a DNS name cannot bypass it.
    """

    def __init__(
        self,
        *,
        max_answer: int = MAX_ANSWER_BYTES,
        connections: int = 32,
        ca_file: str | None = None,
        proxies: Mapping[str, str] | None = None,
        peers: Callable[[str], bool] | None = None,
        idle_seconds: float = TIMINGS.connection_idle_seconds,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._connections = connections
        self._ca_file = ca_file
        self._peers = peers
        self._plain = Adapter(None, connections)
        self._max_answer = max_answer
        self._proxies = dict(proxies or {})

    @cached_property
    def _tls(self) -> Adapter:
        """Create the adapter for TLS on first use.

        The certificates take megabytes, and the local platform needs none.
        """
        context = ssl.create_default_context(cafile=self._ca_file or certifi.where())
        if self._ca_file is None:
            context.load_default_certs()  # private authorities are installed there
        context.sslsocket_class = TLSSocket
        return Adapter(context, self._connections)

    def send(self, call: Call, deadline: Deadline) -> Answer | NoAnswer:
        """Make the call and return its answer; `NoAnswer` if none comes before the deadline.

        The name lookup counts towards the time but cannot be interrupted. A response whose body
        is too long, incomplete or too slow still has its status: it is `truncated`.
        """
        try:
            limit = call.most or self._max_answer
            answer = self._call(call, deadline, limit)
            return answer if isinstance(answer, Answer) else self._read(answer, limit)
        except FAILURES as error:
            return NoAnswer(_reason(error, call, deadline.seconds), sent=progress.sent)
        finally:
            progress.deadline = NO_DEADLINE

    @contextmanager
    def open(self, call: Call, timeout: float) -> Iterator[OpenAnswer | Answer | NoAnswer]:
        """Make the call, and yield its answer before the body is read, if it has the status 200.

        `timeout`: seconds to the head of the answer, and from one piece of its body to the next.
        """
        try:
            response = cast("BaseHTTPResponse", self._call(call, Deadline.after(timeout), UNREAD))
        except FAILURES as error:
            yield NoAnswer(_reason(error, call, timeout), sent=progress.sent)
            return
        finally:
            progress.deadline = NO_DEADLINE
        try:
            if response.status == HTTPStatus.OK:
                yield OpenAnswer(response, timeout)
            else:
                progress.deadline = Deadline.after(timeout)
                yield self._read(response, call.most or self._max_answer)
        finally:
            progress.deadline = NO_DEADLINE
            response.close()

    def _call(self, call: Call, deadline: Deadline, limit: int) -> Answer | BaseHTTPResponse:
        """Make the call before its deadline: see `Adapter.call`."""
        progress.deadline = deadline
        progress.connected = False
        progress.sent = False
        progress.peers = self._peers
        progress.idle_seconds = self._idle_seconds
        adapter = self._plain if call.url.startswith("http:") and not self._proxies else self._tls
        return adapter.call(_prepare(call), self._proxies, limit)

    def close(self) -> None:
        """Close the idle connections."""
        self._plain.close()
        if "_tls" in self.__dict__:
            self._tls.close()

    def _read(self, response: BaseHTTPResponse, limit: int) -> Answer:
        """Read the body up to the limit, and reuse the connection only if the body is complete."""
        body = b""
        complete = False
        try:
            body = response.read(limit + 1, decode_content=True)
            complete = len(body) <= limit
        except (failure.HTTPError, HTTPException, OSError, ValueError):
            pass  # the status is known, and decides
        if not complete:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(
            status=response.status, headers=headers, body=body[:limit], truncated=not complete
        )


def _prepare(call: Call) -> PreparedRequest:
    """Return the call as a request; `prepare` of requests would parse the finished URL again."""
    request = PreparedRequest()
    request.method = call.method
    request.url = call.url
    request.body = call.body or None
    request.headers = CaseInsensitiveDict(call.headers)
    if call.body:
        request.headers["Content-Length"] = str(len(call.body))
    return request


#: First match wins, over the whole chain of causes.
FAILURE_TEXTS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "the name was not found"),
    (ssl.SSLCertVerificationError, "the certificate is not trusted"),
    (ConnectionRefusedError, "the connection was refused"),
    (TimeoutError, ""),
    (failure.TimeoutError, ""),
    (ssl.SSLError, "TLS failed"),
    (RemoteDisconnected, "the connection was closed before an answer"),
    (ConnectionError, "the connection was reset"),
    (failure.ProxyError, "the proxy failed"),
    (failure.SSLError, "TLS failed"),
    (HTTPException, "the answer is not HTTP"),
    (failure.LocationParseError, "the URL is not valid"),
    (
        UnicodeError,
        "the request is not valid: a header or the URL has characters that HTTP does not allow",
    ),
    (OSError, "no connection"),
    (ValueError, "the request is not valid: the URL or a header is malformed"),
)


def _reason(error: BaseException, call: Call, seconds: float) -> str:
    """Return why the call failed, with the host only: the query of a URL may hold ids."""
    causes = list(_causes(error))
    text = next(
        (text for kind, text in FAILURE_TEXTS if any(isinstance(cause, kind) for cause in causes)),
        "no answer",
    )
    if not text:
        missing = "answer" if progress.connected else "connection"
        text = f"no {missing} within {seconds:g} s"
    try:
        return f"{urlsplit(call.url).hostname or 'no host'}: {text}"
    except ValueError:
        return text


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes; requests and urllib3 also have them in their arguments."""
    waiting = [error]
    seen = set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [nested for nested in inner if isinstance(nested, BaseException)]
