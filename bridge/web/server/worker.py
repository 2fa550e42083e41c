"""gunicorn's threaded worker, in which slow senders cannot block others."""

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
from bridge.system.linux_process import unblock_signals
from bridge.system.logs import get_logger
from bridge.web.late_app import LATE_USE, LateUse
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.balance import Balance
from bridge.web.server.connection import ListeningSocket
from bridge.web.server.http_limits import (
    HEARTBEAT_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MALFORMED_REQUEST,
    PARSE_ERROR_STATUSES,
)
from bridge.web.server.incomplete_requests import IncompleteRequests, RequestDeadline
from bridge.web.server.passed_connections import PassedConnections, is_for_console

log = get_logger()

_DEFER = gthread._DEFER  # gunicorn's result for a connection that has sent nothing yet
_PASSED = object()  # the result for a connection that another process has
READ_BYTES = 8192  # at once, as gunicorn reads a request
FIRST_BYTE_SECONDS = 0.02  # that a thread waits for the first byte of a new connection


class Receiver(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A receiver: limits how long, and for how many incomplete requests, it waits.

    gunicorn itself would wait for ever, and its main loop two seconds for each peer that does not
    close its end.
    """

    balance: Balance | None = None  # set after the fork, like the next
    passed: PassedConnections | None = None  # connections of the console process
    incomplete = IncompleteRequests(most=0)
    answers = AnswerLimits()
    timings = TIMINGS
    restart_idle_seconds = TIMINGS.restart_idle_seconds
    idle_event = "receiver_restarts"  # in the log
    _looked = 0.0
    _last_word = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # connections after their last answer: deadline, bytes left
        self._lingering: dict[TConn, tuple[float, int]] = {}

    def accept(self, listener: Any) -> None:
        """Accept a connection, after a receiver with fewer of them had the chance to."""
        if self.balance is not None:
            self.balance.yield_to_emptier()
        super().accept(ListeningSocket(listener, self.answers))
        if self.balance is not None:
            self.balance.publish_count(self.nr_conns)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the shutdown: idle connections have little time left to send a request."""
        self.answers.is_ending = True
        if self.alive:
            self._last_word = time.monotonic() + self.timings.last_request_seconds
            for conn in self._silent():
                conn.timeout = min(conn.timeout, self._last_word)
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; during the shutdown, as long as idle ones are served.

        Else new connections would wait for these, and then for the next receiver.
        """
        listens = not self.alive and time.monotonic() < self._last_word and bool(self._silent())
        super().set_accept_enabled(enabled or listens)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events and dispatch them; only briefly during the shutdown, to end in time."""
        if not self.alive:
            self.set_accept_enabled(False)
            timeout = min(timeout, 0.05)
        super().wait_for_and_dispatch_events(timeout)

    def _silent(self) -> list[TConn]:
        """Return the idle connections."""
        return [*self.keepalived_conns, *self.pending_conns]

    def handle(self, conn: TConn) -> Any:
        """Handle one request of a connection.

        A connection that has sent nothing yet goes back to the main loop, which needs no thread.
        One that asks for the console goes to the console process.
        """
        if not conn.initialized and not conn.wait_for_data(FIRST_BYTE_SECONDS):
            return _DEFER
        if self._pass_on(conn):
            return _PASSED
        sock = conn.sock
        sock.reading = RequestDeadline(
            self.incomplete, self.incomplete.network_of(conn.client, conn.server)
        )
        try:
            return super().handle(conn)
        finally:
            sock.reading.end()
            sock.reading = None

    def _pass_on(self, conn: TConn) -> bool:
        """Pass a connection to the console process if its next request is for it."""
        if self.passed is None or not self.alive:
            return False
        if conn.parser is not None and conn.parser.unreader.buf.getvalue():
            return False  # the request has begun in bytes that were read with the one before
        ahead = conn.sock.read_ahead(READ_BYTES)
        return is_for_console(ahead) and self.passed.put(conn.sock, conn.client, conn.server, ahead)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request whose head is complete; without a body it is complete then.

        Transfer codings that gunicorn does not decode are refused.
        """
        codings = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if codings and [each.strip().lower() for each in codings] != ["chunked"]:
            raise errors.UnsupportedTransferCoding("only chunked is decoded")
        if not codings and not any(name == "CONTENT-LENGTH" for name, _ in req.headers):
            conn.sock.reading.end()
        answered: bool = super().handle_request(req, conn)
        return answered

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Return whether the connection can be reused: not if a part of the body is outstanding."""
        conn.sock.reading.drain()
        reusable: bool = super()._keepalive_after(conn, keepalive)
        return reusable

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Keep or close a connection after its request, or if it has sent nothing yet.

        In the second case it stays open even during the shutdown, where gunicorn would close it:
        its request may be on the way.
        """
        result = False if fs.cancelled() or fs.exception() else fs.result()
        if result is _PASSED:  # without a shutdown, which would end it for the other process too
            self.nr_conns -= 1
            conn.close()
            return
        if not result:
            self._close(conn)
            return
        if self.alive or result is not _DEFER:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.timings.last_request_seconds
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
        """Discard what a peer still sends, up to a limit, until it closes its end."""
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
        """Leave Ctrl-C and SIGHUP to the parent: gunicorn would end in the middle of a request."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        unblock_signals()

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request. gunicorn would log and echo parts of it, such as a token."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        body = MALFORMED_REQUEST
        more = {}
        if isinstance(exc, errors.ParseException):
            reason = type(exc).__name__
            status = PARSE_ERROR_STATUSES.get(reason, HTTPStatus.BAD_REQUEST)
            log.warning("malformed_request", reason=reason, client=addr[0] if addr else None)
        elif isinstance(exc, Refused):
            status = HTTPStatus(exc.status)
            more = exc.headers
            body = orjson.dumps({"error": exc.code, "message": exc.message})
            log.warning("too_many_incomplete_requests", client=addr[0] if addr else None)
        else:
            log.error("internal_error", exc_info=exc)
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
        """Do periodic work; the main loop calls this at least once a second."""
        if self.balance is not None:
            self.balance.publish_count(self.nr_conns)
        now = time.monotonic()
        for conn in [conn for conn, (until, _) in self._lingering.items() if until < now]:
            self._end(conn)
        if now - self._looked > HEARTBEAT_SECONDS:
            self._looked = now
            super().notify()
            if self._can_restart():
                log.info(self.idle_event, note="the console and the admin API are not used")
                self.handle_exit(signal.SIGTERM, None)

    def _can_restart(self) -> bool:
        """Return whether to end now, for the parent to fork a receiver without the memory of the
        console: it was opened, nothing used it for a while, and no request is in progress.
        """
        idle = self._idle_seconds()
        if not self.alive or idle is None or idle < self.restart_idle_seconds:
            return False
        is_between: bool = self.nr_conns == len(self._silent()) + len(self._lingering)
        return is_between

    def _idle_seconds(self) -> float | None:
        """Return the time since the console was last used here; None if it never was."""
        use: LateUse | None = self.wsgi.extensions.get(LATE_USE)
        return None if use is None else use.idle_seconds()
