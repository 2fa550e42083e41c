"""gunicorn's threaded worker, which does not wait for slow senders at the expense of others."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from gunicorn.http import errors
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from bridge.core.errors import Refused
from bridge.core.timings import TIMINGS
from bridge.system.linux_process import listen
from bridge.system.logs import get_logger
from bridge.web.server.balance import Balance
from bridge.web.server.connection import Listener
from bridge.web.server.incomplete_requests import IncompleteRequests, Reading

log = get_logger()

#: What is no HTTP, and is not answered 400.
STATUSES = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
NO_HTTP = b'{"error":"bad_request","message":"the request is no HTTP that is understood here"}'
_DEFER = gthread._DEFER  # what gunicorn hands on for a connection that has said nothing yet
FIRST_BYTE = 0.02  # seconds that a thread waits for a new connection's first byte
NOTICE = 0.9  # seconds between two signs of life for the parent; the first once a second is in time
LINGER_SECONDS = 2.0  # seconds for a peer to close its end after the answer
# bytes that are read of what it still sends: a whole body that is refused, so that the answer
# arrives
LINGER_BYTES = 32 * 1024 * 1024


class Receiver(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Waits for a part of a request only until its deadline, and for so many at once; closes
    connections without waiting for the peer.

    gunicorn itself would wait for ever, and have its main loop wait two seconds for each peer that
    does not close its end.
    """

    balance: Balance | None = None  # given after the fork, as the next is
    incomplete = IncompleteRequests(most=0)
    last_request_seconds = TIMINGS.last_request_seconds
    _looked = 0.0
    _last_word = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a connection that was answered for the last time: until when, bytes left
        self._lingering: dict[TConn, tuple[float, int]] = {}

    def accept(self, listener: Any) -> None:
        """Accept a connection, unless a receiver that holds fewer of them does so at once."""
        if self.balance is not None:
            self.balance.let_go_first()
        super().accept(Listener(listener))
        if self.balance is not None:
            self.balance.tell(self.nr_conns)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the end: who has a connection and says nothing has little time left to say
        something.
        """
        if self.alive:
            self._last_word = time.monotonic() + self.last_request_seconds
            for conn in self._silent():
                conn.timeout = min(conn.timeout, self._last_word)
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not. At the end new ones are accepted for as long as silent ones
        are listened to.

        Else they would wait for these, and then for the receiver that comes next.
        """
        listens = not self.alive and time.monotonic() < self._last_word and bool(self._silent())
        super().set_accept_enabled(enabled or listens)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to happen and do what is to be done then; at the end not for long,
        since it is over when nobody is left.
        """
        if not self.alive:
            self.set_accept_enabled(False)
            timeout = min(timeout, 0.05)
        super().wait_for_and_dispatch_events(timeout)

    def _silent(self) -> list[TConn]:
        """Return the connections that are open and say nothing."""
        return [*self.keepalived_conns, *self.pending_conns]

    def handle(self, conn: TConn) -> Any:
        """Handle one request of a connection; one that says nothing yet goes back to the main loop,
        which waits without a thread.
        """
        if not conn.initialized and not conn.wait_for_data(FIRST_BYTE):
            return _DEFER
        sock = conn.sock
        sock.reading = Reading(
            self.incomplete, self.incomplete.network_of(conn.client, conn.server)
        )
        try:
            return super().handle(conn)
        finally:
            sock.reading.end()
            sock.reading = None

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request whose head is whole; one without a body is whole then. Codings that
        would stay on the body are refused.
        """
        codings = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if codings and [each.strip().lower() for each in codings] != ["chunked"]:
            raise errors.UnsupportedTransferCoding("only chunked is decoded")
        if not codings and not any(name == "CONTENT-LENGTH" for name, _ in req.headers):
            conn.sock.reading.end()
        answered: bool = super().handle_request(req, conn)
        return answered

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Tell whether the connection can be used again: not where the application left a part of
        the body that has not arrived.
        """
        conn.sock.reading.drain()
        reusable: bool = super()._keepalive_after(conn, keepalive)
        return reusable

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Put a connection away after its request, or after it said nothing yet.

        One of the second kind is heard even when the end has begun meanwhile, where gunicorn would
        close it: its request may be on the way.
        """
        result = False if fs.cancelled() or fs.exception() else fs.result()
        if not result:
            self._close(conn)
            return
        if self.alive or result is not _DEFER:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.last_request_seconds
        self.pending_conns.append(conn)
        self.poller.register(
            conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
        )

    def _close(self, conn: TConn) -> None:
        """Close our end, and the whole connection once the peer has closed its own, or after
        `LINGER_SECONDS`.

        Else the kernel would reset the connection of a peer that still sends, before it has read
        its answer.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._linger, conn))
        except (OSError, ValueError):  # it is closed already
            self.nr_conns -= 1
            conn.close()
            return
        self._lingering[conn] = time.monotonic() + LINGER_SECONDS, LINGER_BYTES

    def _linger(self, conn: TConn, _sock: Any) -> None:
        """Read past what a peer still sends, up to a limit; its end of the stream is the end of the
        connection.
        """
        until, left = self._lingering[conn]
        try:
            size = len(conn.sock.recv(65536))
        except BlockingIOError:
            return
        except OSError:
            size = 0
        self._lingering[conn] = until, left - size
        if size == 0 or size >= left:
            self._end(conn)

    def _end(self, conn: TConn) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def init_signals(self) -> None:
        """Leave Ctrl-C and SIGHUP to the parent: gunicorn would end at once, in the middle of a
        request.
        """
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        listen()

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what could not be read as HTTP. gunicorn would log and echo what it quotes of the
        request: a token in a URL, a header.
        """
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        body = NO_HTTP
        more = {}
        if isinstance(exc, errors.ParseException):
            status = STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
            log.warning("no_http", reason=type(exc).__name__, client=addr[0] if addr else None)
        elif isinstance(exc, Refused):
            status = HTTPStatus(exc.status)
            more = exc.headers
            body = orjson.dumps({"error": exc.code, "message": exc.message})
            log.warning("incomplete", client=addr[0] if addr else None)
        else:
            log.error("unforeseen", exc_info=exc)
        given = {
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **more,
        }
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            *(f"{name}: {value}" for name, value in given.items()),
            "",
            "",
        ]
        try:
            client.sendall("\r\n".join(lines).encode() + body)
        except OSError:
            return

    def notify(self) -> None:
        """The main loop comes by here at least once a second, and after whatever it does."""
        if self.balance is not None:
            self.balance.tell(self.nr_conns)
        now = time.monotonic()
        for conn in [conn for conn, (until, _) in self._lingering.items() if until < now]:
            self._end(conn)
        if now - self._looked > NOTICE:
            self._looked = now
            super().notify()
