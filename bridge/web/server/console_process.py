"""The process that answers for the console and the admin API, beside the receivers.

A page takes longer than a webhook, and in one process both would wait for the same interpreter
lock. The process is forked for the first request, and ends when nothing has used it for a while:
its modules, templates and pages of memory end with it.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker

from bridge.web.mount_paths import is_reader_path
from bridge.web.reader_seats import READER_SEATS, ReaderSeats
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.connection import Connection
from bridge.web.server.passed_connections import PassedConnections
from bridge.web.server.worker import Receiver

NICENESS: Final = 5  # receiving comes first


class PassedListener:
    """A listening socket of gunicorn that takes the connections that receivers pass on."""

    def __init__(self, queue: PassedConnections, answers: AnswerLimits) -> None:
        self._queue = queue
        self._answers = answers
        self._server: Any = None

    def accept(self) -> tuple[Connection, Any]:
        """Take a connection; as `socket.accept`."""
        passed = self._queue.take()
        connection = Connection(fileno=passed.descriptor)
        connection.answers = self._answers
        connection.ahead = passed.ahead
        self._server = passed.server
        return connection, passed.client

    def getsockname(self) -> Any:
        """Return the address of the listener that accepted the connection taken last."""
        return self._server

    def fileno(self) -> int:
        """Return the descriptor that is readable while a connection waits."""
        return self._queue.fileno()

    def is_waiting(self) -> bool:
        """Return whether a connection waits."""
        return self._queue.is_waiting()

    def setblocking(self, _flag: bool) -> None:
        """Do nothing: taking a connection never waits."""

    def close(self) -> None:
        """Close the queue in this process."""
        self._queue.close()


class ConsoleProcess(Receiver):
    """Answers the requests on the connections that receivers pass on."""

    sockets: list[Any]
    idle_event = "console_process_ends"
    _used_at = 0.0

    def listen_to_receivers(self, queue: PassedConnections) -> None:
        """Take connections from the receivers alone, and close the sockets that they accept from.

        An open one would keep its address in use after the end of the receivers.
        """
        for listener in self.sockets:
            listener.close()
        self.sockets = [PassedListener(queue, self.answers)]

    def init_process(self) -> None:
        """Make way for the receivers, then run."""
        os.nice(NICENESS)
        self._used_at = time.monotonic()
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application; its readers have twice the places of a receiver."""
        super().load_wsgi()
        seats: ReaderSeats = self.wsgi.extensions[READER_SEATS]
        seats.factor = 2

    def accept(self, listener: PassedListener) -> None:
        """Take a connection."""
        ThreadWorker.accept(self, listener)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take connections or not; at the end, those that wait already."""
        super().set_accept_enabled(enabled)
        listener: PassedListener
        (listener,) = self.sockets
        while not self.alive and listener.is_waiting():
            self.accept(listener)

    def handle(self, conn: Any) -> Any:
        """Handle one request of a connection, whose first bytes a receiver has read."""
        self._used_at = time.monotonic()
        conn.data_ready = True
        try:
            return super().handle(conn)
        finally:
            self._used_at = time.monotonic()

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer a request; the last of its connection if a receiver is to answer the next.

        A proxy may send the requests of several clients on one connection.
        """
        if not is_reader_path(req.path):
            req.force_close()
        return super().handle_request(req, conn)

    def _idle_seconds(self) -> float:
        return time.monotonic() - self._used_at
