"""gunicorn's threaded worker, with a deadline on the reading of a request."""

from __future__ import annotations

import signal
import time
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from bridge.logs import get_logger
from bridge.web.balance import Balance
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
HEAD_TIME = 10.0  # seconds from the first byte of a request to the end of its head; its body then has a time of its own


class Receiver(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A slow sender holds a thread, so its head is cut off after `HEAD_TIME` and its body after `intake.READ_TIME`.

    gunicorn itself would wait for ever.
    """

    balance: Balance | None = None  # given after the fork
    _looked = 0.0

    def accept(self, listener: Any) -> None:
        """Accept a connection, unless a receiver that holds fewer of them does so at once."""
        if self.balance is None:
            super().accept(listener)
            return
        self.balance.let_go_first()
        super().accept(listener)
        self.balance.tell(self.nr_conns)

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

    def init_signals(self) -> None:
        """Leave Ctrl-C to the parent: gunicorn would end at once, in the middle of a request."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

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
        """The main loop comes by here at least once a second."""
        super().notify()
        if self.balance is not None:
            self.balance.tell(self.nr_conns)
        now = time.monotonic()
        if now - self._looked > 1.0:
            self._looked = now
            cut_off_late(now)
