"""The only outgoing HTTP: one call out, one answer or a loss back, within one deadline.

Built on the transport adapter of requests rather than on a Session: no redirect is followed, no cookie kept, no netrc and no
proxy variable read, nothing retried.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from http.client import HTTPException, RemoteDisconnected
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import urllib3.exceptions as failure
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bridge.model import Answer, Call, Lost

MAX_ANSWER: Final = 256 * 1024  # bytes
#: Seconds after which an idle connection is not used again. A server that closes it just as we write makes a start ambiguous,
#: and common servers close after 5 s or more; what a shorter-lived one has closed already is noticed before it is used.
MAX_IDLE: Final = 4.0


class _Progress(threading.local):
    """How far the call of this thread has come, and until when it may go on."""

    deadline = float("inf")  #: monotonic
    connected = False
    sent = False  #: the last byte of the request was handed to the kernel
    peers: Callable[[str], bool] | None = None  #: which addresses it may connect to; None: any


_progress = _Progress()


def _remaining() -> float:
    """Return the seconds left of this thread's call."""
    left = _progress.deadline - monotonic()
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


class _TLSSocket(ssl.SSLSocket):
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
            if _progress.peers is not None and not _progress.peers(str(address[0])):
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
        _progress.connected = True

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
        _progress.connected = self.sock is not None
        pieces: list[bytes] = []
        self._pieces = pieces
        try:
            super().request(*args, **options)  # type: ignore[misc]
        finally:
            self._pieces = None
        self.send(b"".join(pieces))
        # A request whose last byte never left cannot have been acted on: its body is shorter than its Content-Length.
        _progress.sent = True

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


class _Adapter(HTTPAdapter):
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


class Sender:
    """Sends calls. One is enough for a process: it may be used by any number of threads, and must be made after a fork.

    `ca_file`: the certificates to trust instead of certifi's and the machine's. `proxies`: {"https": URL} as requests has it; those of the
    environment are not used. `peers` says of an IP address whether it may be connected to: of the very one, so that no name can lead
    elsewhere.
    """

    def __init__(self, *, max_answer: int = MAX_ANSWER, connections: int = 32, ca_file: str | None = None,
                 proxies: Mapping[str, str] | None = None, peers: Callable[[str], bool] | None = None) -> None:
        self._connections, self._ca_file, self._peers = connections, ca_file, peers
        self._plain = _Adapter(None, connections)
        self._max_answer = max_answer
        self._proxies = dict(proxies or {})

    @cached_property
    def _tls(self) -> _Adapter:
        """Made when it is first needed: the certificates are megabytes, and the embedded platform needs none."""
        context = ssl.create_default_context(cafile=self._ca_file or certifi.where())
        if self._ca_file is None:
            context.load_default_certs()  # who has authorities of their own puts them there
        context.sslsocket_class = _TLSSocket
        return _Adapter(context, self._connections)

    def send(self, call: Call, timeout: float) -> Answer | Lost:
        """Make the call and return its answer, or what became of it when there is none within `timeout` seconds.

        Looking up the name is in the time but cannot be cut short. An answer whose body is too long, breaks off or comes too
        slowly still has its status: it is `truncated`.
        """
        _progress.deadline, _progress.connected, _progress.sent = monotonic() + timeout, False, False
        _progress.peers = self._peers
        try:
            adapter = self._plain if call.url.startswith("http:") and not self._proxies else self._tls
            response = adapter.send(_prepare(call), stream=True, timeout=timeout, proxies=self._proxies)
            return self._read(response.raw, call.most or self._max_answer)
        except (RequestException, failure.HTTPError, HTTPException, OSError, ValueError) as error:
            return Lost(_reason(error, call, timeout), sent=_progress.sent)
        finally:
            _progress.deadline = float("inf")

    def close(self) -> None:
        """Close the idle connections."""
        self._plain.close()
        if "_tls" in self.__dict__:
            self._tls.close()

    def _read(self, response: BaseHTTPResponse, most: int) -> Answer:
        """Read the body up to the limit, and give the connection back only where all of it was read."""
        body, complete = b"", False
        try:
            body = response.read(most + 1, decode_content=True)
            complete = len(body) <= most
        except (failure.HTTPError, HTTPException, OSError, ValueError):
            pass  # the status is what matters, and it is known
        if not complete:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status, headers=headers, body=body[:most], truncated=not complete)


def _prepare(call: Call) -> PreparedRequest:
    """Return the call as requests has it, without the parsing that its `prepare` would do again on a finished URL."""
    request = PreparedRequest()
    request.method, request.url, request.body = call.method, call.url, call.body or None
    request.headers = CaseInsensitiveDict(call.headers)
    if call.body:
        request.headers["Content-Length"] = str(len(call.body))
    return request


#: First match wins, over the whole chain of causes.
REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "the name was not found"),
    (ssl.SSLCertVerificationError, "the certificate is not to be trusted"),
    (ConnectionRefusedError, "the connection was refused"),
    (TimeoutError, ""),
    (failure.TimeoutError, ""),
    (ssl.SSLError, "TLS failed"),
    (RemoteDisconnected, "the connection was closed before an answer"),
    (ConnectionError, "the connection was reset"),
    (failure.ProxyError, "the proxy failed"),
    (failure.SSLError, "TLS failed"),
    (HTTPException, "the answer is not HTTP"),
    (failure.LocationParseError, "the URL cannot be used"),
    (UnicodeError, "the request cannot be written: a header or the URL has characters that HTTP does not allow"),
    (OSError, "no connection"),
    (ValueError, "the request cannot be written: the URL or a header is malformed"),
)


def _reason(error: BaseException, call: Call, timeout: float) -> str:
    """Return what happened, naming the host only: a URL may hold ids in its query."""
    causes = list(_causes(error))
    text = next((text for kind, text in REASONS if any(isinstance(cause, kind) for cause in causes)), "no answer")
    if not text:
        text = f"no {'answer' if _progress.connected else 'connection'} within {_shown(timeout)} s"
    try:
        return f"{urlsplit(call.url).hostname or 'no host'}: {text}"
    except ValueError:
        return text


def _shown(seconds: float) -> str:
    """A time as it was set, though a part of it was over before the call began."""
    return f"{round(seconds, 1 if seconds < 10 else None):g}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all it was made of: requests and urllib3 keep the cause in their arguments, too."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [one for one in inner if isinstance(one, BaseException)]
