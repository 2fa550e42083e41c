"""The process that answers for the console and the admin API, beside the receivers.

A page takes longer than a webhook, and in one process both would wait for the same interpreter
lock. The process is forked for the first request, and ends when nothing has used it for a while:
its modules, templates and pages of memory end with it.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Final

from bridge.system.logs import get_logger
from bridge.system.priority import lower_priority
from bridge.web.reader_seats import READER_SEATS, ReaderSeats
from bridge.web.server.event_loop.worker import LoopReceiver
from bridge.web.server.passed_connections import PassedConnections

log = get_logger()
NICENESS: Final = 5  # receiving comes first
THREADS: Final = 16  # the readers have half of them


class ConsoleProcess(LoopReceiver):
    """Answers the requests on the connections that receivers pass on."""

    sockets: list[Any]
    idle_event = "console_process_ends"
    flask_places = THREADS
    keeps_for_readers = True

    def listen_to_receivers(self, queue: PassedConnections) -> None:
        """Take connections from the receivers alone, and close the sockets that they accept from.

        An open one would keep its address in use after the end of the receivers.
        """
        for listener in self.sockets:
            listener.close()
        self.sockets = [queue]
        self._queue = queue

    def is_stalled(self) -> bool:
        """Return whether the last heartbeat is too old. For the parent."""
        age: float = time.monotonic() - self.tmp.last_update()
        return age > self.timings.console_stall_seconds

    def init_process(self) -> None:
        """Lower the priority below that of receivers, then run."""
        lower_priority(NICENESS)
        self._began_at = time.monotonic()
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application; its readers have twice the places of a receiver."""
        super().load_wsgi()
        seats: ReaderSeats = self.wsgi.extensions[READER_SEATS]
        seats.factor = 2

    def _accept_now(self, listener: PassedConnections) -> None:
        """Take a connection."""
        try:
            passed = listener.take()
        except BlockingIOError:  # another process took it
            return
        except OSError as error:  # no descriptor is free
            log.error("accept_failed", error=str(error))
            return
        accepted = socket.socket(fileno=passed.descriptor)
        self._serve_connection(accepted, passed.server, passed.ahead)

    def _has_waiting(self) -> bool:
        return self._queue.is_waiting()

    def _idle_seconds(self) -> float | None:
        idle = super()._idle_seconds()
        if idle is None and not self._edge.connections:  # the first client is gone already
            return time.monotonic() - self._began_at
        return idle
