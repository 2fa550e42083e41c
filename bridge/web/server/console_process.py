"""The process that answers for the console and the admin API, beside the receivers.

A page takes longer than a webhook, and in one process both would wait for the same interpreter
lock. The process is forked for the first request, and ends when nothing has used it for a while:
its modules, templates and pages of memory end with it.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, Final

from bridge.system.logs import get_logger
from bridge.system.priority import lower_priority
from bridge.web.reader_seats import READER_SEATS, ReaderSeats
from bridge.web.receiving.hook_messages import answer_refusal
from bridge.web.server.event_loop.answers import answer_bytes
from bridge.web.server.event_loop.loop_edge import refuse_busy
from bridge.web.server.event_loop.worker import LoopReceiver
from bridge.web.server.passed_connections import PassedConnections

log = get_logger()
NICENESS: Final = 5  # receiving comes first
TOO_MANY_CONNECTIONS: Final = "too many connections to the console and the admin API are open"
NO_PROCESS: Final = "no process could be started for the console and the admin API"
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

    def _accept(self, listener: PassedConnections) -> None:
        """Take a connection; refuse it where it is too many, since nothing else accepts it."""
        try:
            passed = listener.take()
        except BlockingIOError:  # another process took it
            return
        except OSError as error:  # it is closed
            log.limited().error("accept_failed", error=str(error))
            return
        accepted = socket.socket(fileno=passed.descriptor)
        if passed.is_last or len(self._edge.connections) >= self._most:
            log.limited().error("accept_failed", error=TOO_MANY_CONNECTIONS)
            _refuse(accepted, TOO_MANY_CONNECTIONS)
            listener.reserve()
        else:
            self._serve_connection(accepted, passed.server, passed.ahead)

    def _has_waiting(self) -> bool:
        return self._queue.is_waiting()

    def _idle_seconds(self) -> float | None:
        idle = super()._idle_seconds()
        if idle is None and not self._edge.connections:  # the first client is gone already
            return time.monotonic() - self._began_at
        return idle


def refuse_waiting(queue: PassedConnections) -> None:
    """Refuse the connections that wait, where no process can be started for them."""
    while queue.is_waiting():
        with suppress(OSError):
            _refuse(socket.socket(fileno=queue.take().descriptor), NO_PROCESS)


def _refuse(accepted: socket.socket, message: str) -> None:
    """Answer that there is no room for a connection, and close it."""
    answer = answer_refusal(refuse_busy(message))
    with accepted, suppress(OSError):
        accepted.setblocking(False)
        accepted.send(answer_bytes(answer, "", keeps=False))
