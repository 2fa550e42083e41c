"""gunicorn's worker with a thread for each request, for `FLOWBRIDGE_EDGE=flask`.

It is the edge for where the event loop fails. A slow sender occupies a thread here, so a proxy that
waits for whole requests belongs before it.
"""

from __future__ import annotations

import signal
import socket
import struct
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import InvalidRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from bridge.core.timings import TIMINGS
from bridge.system.linux_process import unblock_signals
from bridge.system.logs import get_logger
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.answers import answer_malformed
from bridge.web.server.http_limits import PARSE_ERROR_STATUSES
from bridge.web.server.request_target import read_target

log = get_logger()
_TIMEVAL = struct.Struct("@ll")


class ThreadReceiver(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A receiver with threads. A client that sends or reads nothing is disconnected."""

    answers = AnswerLimits()  # set after the fork, like the next
    timings = TIMINGS

    def init_process(self) -> None:
        """Set the time limits of connections, then run. Linux copies them from the listener."""
        for listener in self.sockets:
            for option, seconds in (
                (socket.SO_RCVTIMEO, self.timings.request_body_seconds),
                (socket.SO_SNDTIMEO, self.timings.answer_stall_seconds),
            ):
                limit = _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
                listener.setsockopt(socket.SOL_SOCKET, option, limit)
        super().init_process()

    def init_signals(self) -> None:
        """Leave Ctrl-C and SIGHUP to the parent: gunicorn would end in the middle of a request."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        unblock_signals()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin the shutdown; streams stop."""
        self.answers.is_ending = True
        super().handle_exit(sig, frame)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request. gunicorn would join its cookies of several fields by a comma, and
        ignore the host of its target.
        """
        target = read_target(req.uri)
        if target is None:
            raise InvalidRequestLine(req.uri)
        if target[0] is not None:
            others = [(name, value) for name, value in req.headers if name != "HOST"]
            req.headers = [*others, ("HOST", target[0])]
        cookies = [value for name, value in req.headers if name == "COOKIE"]
        if len(cookies) > 1:
            others = [(name, value) for name, value in req.headers if name != "COOKIE"]
            req.headers = [*others, ("COOKIE", "; ".join(cookies))]
        return super().handle_request(req, conn)

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request. gunicorn would log and echo parts of it, such as a token."""
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(exc, ParseException):
            reason = type(exc).__name__
            status = PARSE_ERROR_STATUSES.get(reason, HTTPStatus.BAD_REQUEST)
            log.limited().warning(
                "malformed_request", reason=reason, client=addr[0] if addr else None
            )
        else:
            log.limited().error("internal_error", exc_info=exc)
        try:
            client.sendall(answer_malformed(status))
        except OSError:
            return
