"""gunicorn's worker on an event loop, in which a slow sender costs a socket, not a thread."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import time
from typing import Any

from gunicorn.workers.base import Worker

from bridge.config.setting_values import DEFAULT_POOL
from bridge.core.timings import TIMINGS
from bridge.system.linux_process import unblock_signals
from bridge.system.logs import get_logger
from bridge.web.late_app import LATE_USE, LateUse
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.balance import YIELD_SECONDS, Balance
from bridge.web.server.event_loop.connection import LoopConnection
from bridge.web.server.event_loop.loop_edge import LoopEdge, make_edge
from bridge.web.server.http_limits import HEARTBEAT_SECONDS
from bridge.web.server.passed_connections import PassedConnections

log = get_logger()
MAX_CONNECTIONS = 8192  # of a receiver; more wait in the backlog of the socket
SPARE_DESCRIPTORS = 256  # for the database, files and outgoing connections
MAX_LATE_ACCEPTS = 16  # in one turn of the loop, of connections that no other receiver accepted


class LoopReceiver(Worker):  # type: ignore[misc]  # gunicorn has no types
    """A receiver on an event loop."""

    balance: Balance | None = None  # set after the fork, like the next
    answers = AnswerLimits()
    timings = TIMINGS
    flask_places = DEFAULT_POOL
    passed: PassedConnections | None = None  # connections of the console process
    restart_idle_seconds = TIMINGS.restart_idle_seconds
    idle_event = "receiver_restarts"  # in the log
    keeps_for_readers = False  # whether a connection is kept for the console and admin API alone

    _is_listening = False
    _accepting = 0  # connections that are accepted and not begun yet

    def init_process(self) -> None:
        """Create the loop, which handles the signals, then run."""
        self._most = _allow_connections(MAX_CONNECTIONS)
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(_log_error)
        super().init_process()

    def init_signals(self) -> None:
        """End on SIGTERM; leave Ctrl-C and SIGHUP to the parent."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)
        self._ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGQUIT):
            self.loop.add_signal_handler(number, self._begin_end)
        self.loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        unblock_signals()

    def _begin_end(self) -> None:
        self.alive = False
        self.answers.is_ending = True
        self._ending.set()

    def run(self) -> None:
        """Serve until SIGTERM."""
        self._edge = self._make_edge()
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self.loop.close()

    def _make_edge(self) -> LoopEdge:
        return make_edge(
            self.loop,
            self.wsgi,
            timings=self.timings,
            answers=self.answers,
            flask_places=self.flask_places,
            keep_alive_seconds=self.cfg.keepalive,
            passed=self.passed,
            keeps_for_readers=self.keeps_for_readers,
        )

    async def _serve(self) -> None:
        for listener in self.sockets:
            os.set_blocking(listener.fileno(), False)
        self._listen()
        while self.alive:
            self._beat()
            try:
                await asyncio.wait_for(self._ending.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                continue
        await self._drain()

    def _beat(self) -> None:
        self.notify()
        if self.balance is not None:
            self.balance.publish_count(len(self._edge.connections))
        if self.alive and len(self._edge.connections) < self._most:
            self._listen()
        idle = self._idle_seconds()
        if self.alive and idle is not None and idle >= self.restart_idle_seconds:
            log.info(self.idle_event, note="the console and the admin API are not used")
            self._begin_end()

    def _idle_seconds(self) -> float | None:
        """Return the time since the console was last used here, None if it never was.

        It takes memory that only the end of the process frees.
        """
        use: LateUse = self.wsgi.extensions[LATE_USE]
        return use.idle_seconds()

    def _listen(self) -> None:
        """Accept connections."""
        self._is_listening = True
        for listener in self.sockets:
            self.loop.add_reader(listener.fileno(), self._accept, listener)

    def _stop_listening(self) -> None:
        self._is_listening = False
        for listener in self.sockets:
            self.loop.remove_reader(listener.fileno())

    def _accept(self, listener: Any) -> None:
        """Accept one connection, after a receiver with fewer of them had the chance to."""
        if len(self._edge.connections) >= self._most:
            self._stop_listening()  # until a heartbeat finds some of them closed
        elif self.balance is not None and self.balance.is_fuller():
            self.loop.remove_reader(listener.fileno())
            self.loop.call_later(YIELD_SECONDS, self._accept_late, listener)
        else:
            self._accept_now(listener)

    def _accept_late(self, listener: Any) -> None:
        """Accept connections that no other receiver has accepted, half as many as are open here.

        In a burst each receiver is in turn the fuller one. With one connection for each wait, most
        of the burst would wait while all receivers are idle.
        """
        if self._is_listening:
            self.loop.add_reader(listener.fileno(), self._accept, listener)
            accepts = min(1 + len(self._edge.connections) // 2, MAX_LATE_ACCEPTS)
            while accepts and self._accept_now(listener):
                accepts -= 1

    def _accept_now(self, listener: Any) -> bool:
        """Accept a connection; return false where none waits or none can be accepted."""
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return False
        except OSError as error:  # no descriptor is free, for example
            log.limited().error("accept_failed", error=str(error))
            self._stop_listening()  # until the next heartbeat: the socket stays ready
            return False
        self._serve_connection(accepted, listener.getsockname())
        return True

    def _serve_connection(
        self, accepted: socket.socket, server: tuple[Any, ...], ahead: bytes = b""
    ) -> None:
        """Serve a connection that the listener `server` accepted; `ahead` was read already."""
        accepted.setblocking(False)

        def make() -> LoopConnection:
            return LoopConnection(self._edge, server, ahead)

        task = self.loop.create_task(self.loop.connect_accepted_socket(make, accepted))
        self._accepting += 1
        task.add_done_callback(self._end_accepting)
        if self.balance is not None:
            self.balance.publish_count(len(self._edge.connections) + self._accepting)

    def _end_accepting(self, task: asyncio.Task[Any]) -> None:
        self._accepting -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError):  # that is a client which is gone
            log.limited().error("internal_error", exc_info=error)

    def _has_waiting(self) -> bool:
        """Return whether connections wait that nothing but this process accepts."""
        return False

    async def _drain(self) -> None:
        """Answer what has arrived; idle connections have little time left to send a request."""
        connections = self._edge.connections
        earlier = set(connections)
        idle_until = time.monotonic() + self.timings.last_request_seconds
        until = time.monotonic() + self.cfg.graceful_timeout
        for connection in list(connections):
            connection.begin_end()
        while time.monotonic() < until:
            self._beat()
            is_empty = not connections and not self._accepting and not self._has_waiting()
            if self._has_waiting():
                self._listen()
            elif earlier.isdisjoint(connections) or time.monotonic() >= idle_until:
                self._stop_listening()  # new connections are for the next receiver
            if is_empty:
                break
            await asyncio.sleep(0.02)
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)


def _allow_connections(max_connections: int) -> int:
    """Raise the limit of descriptors for so many connections; return how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = max_connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        descriptors = min(descriptors, hard)
    if resource.RLIM_INFINITY != soft < descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
    return min(max_connections, max(descriptors - SPARE_DESCRIPTORS, descriptors // 2))


def _log_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error in a callback of the loop; the connection is closed by asyncio."""
    log.limited().error(
        "internal_error", exc_info=context.get("exception"), text=context.get("message")
    )
