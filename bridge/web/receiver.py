"""gunicorn's threaded worker, with a deadline on the reading of a request."""

from __future__ import annotations

import selectors
import signal
import time
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from bridge.logs import get_logger
from bridge.parent import listen
from bridge.web.balance import Balance
from bridge.web.connection import Listener
from bridge.web.intake import cut_off_late, reading

log = get_logger()

#: What is no HTTP, and is not answered 400.
STATUSES = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
NO_HTTP = b'{"error":"bad_request","message":"the request is no HTTP that is understood here"}'
_DEFER = getattr(gthread, "_DEFER", None)  # not every gunicorn that is allowed has it
FIRST_BYTE = 0.02  # seconds that a thread waits for a new connection's first byte
LAST_WORD = 1.0  # seconds that a connection which says nothing has for it when the end begins
NOTICE = 0.9  # seconds between two signs of life for the parent, and two looks at who is late; the first once a second is in time
HEAD_TIME = 10.0  # seconds from the first byte of a request to the end of its head; its body then has a time of its own


class Receiver(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A slow sender holds a thread, so its head is cut off after `HEAD_TIME` and its body after `intake.READ_TIME`.

    gunicorn itself would wait for ever.
    """

    balance: Balance | None = None  # given after the fork
    _looked = _last_word = 0.0

    def accept(self, listener: Any) -> None:
        """Accept a connection, unless a receiver that holds fewer of them does so at once."""
        if self.balance is not None:
            self.balance.let_go_first()
        super().accept(Listener(listener))
        if self.balance is not None:
            self.balance.tell(self.nr_conns)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the end: who has a connection and says nothing has little time left to say something."""
        if self.alive:
            self._last_word = time.monotonic() + LAST_WORD
            for conn in self._silent():
                conn.timeout = min(conn.timeout, self._last_word)
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not. At the end new ones are accepted for as long as silent ones are listened to.

        Else they would wait for these, and then for the receiver that comes next.
        """
        listens = not self.alive and time.monotonic() < self._last_word and bool(self._silent())
        super().set_accept_enabled(enabled or listens)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for something to happen and do what is to be done then; at the end not for long, since it is over when nobody is left."""
        if not self.alive:
            self.set_accept_enabled(False)
            timeout = min(timeout, 0.05)
        super().wait_for_and_dispatch_events(timeout)

    def _silent(self) -> list[TConn]:
        """Return the connections that are open and say nothing."""
        return [*self.keepalived_conns, *getattr(self, "pending_conns", ())]

    def handle(self, conn: TConn) -> Any:
        """Handle one request of a connection; one that says nothing yet goes back to the main loop, which waits without a thread."""
        if _DEFER is not None and not conn.initialized and not conn.wait_for_data(FIRST_BYTE):
            return _DEFER
        sock = conn.sock
        reading[id(sock)] = time.monotonic() + HEAD_TIME, sock
        try:
            return super().handle(conn)
        finally:
            reading.pop(id(sock), None)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Put a connection away after its request, or after it said nothing yet.

        One of the second kind is heard even when the end has begun meanwhile, where gunicorn would close it: its request may be on the way.
        """
        if _DEFER is None or self.alive or fs.cancelled() or fs.exception() or fs.result() is not _DEFER:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + LAST_WORD
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def init_signals(self) -> None:
        """Leave Ctrl-C and SIGHUP to the parent: gunicorn would end at once, in the middle of a request."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        listen()

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what could not be read as HTTP. gunicorn would log and echo what it quotes of the request: a token in a URL, a header."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(exc, errors.ParseException):
            status = STATUSES.get(type(exc), HTTPStatus.BAD_REQUEST)
            log.warning("no_http", reason=type(exc).__name__, client=addr[0] if addr else None)
        else:
            log.error("unforeseen", exc_info=exc)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(NO_HTTP)}\r\n\r\n".encode() + NO_HTTP)
        except OSError:
            return

    def notify(self) -> None:
        """The main loop comes by here at least once a second, and after whatever it does."""
        if self.balance is not None:
            self.balance.tell(self.nr_conns)
        now = time.monotonic()
        if now - self._looked > NOTICE:
            self._looked = now
            super().notify()
            cut_off_late(now)
