"""The receiving edge of a process: what its connections share, its threads, its loop's lag."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final

from flask import Flask

from bridge.core.errors import Refused
from bridge.core.timings import Timings
from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import COMMIT, LOOP_LAG
from bridge.providers.model import Reply
from bridge.system.logs import get_logger
from bridge.web.listeners import NOT_FOUND_BODY
from bridge.web.mount_paths import is_reader_path
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.receiving.edge_parts import EXTENSION, EdgeParts
from bridge.web.receiving.hook_messages import HookAnswer, RequestHead, answer_reply
from bridge.web.receiving.hook_receiver import PREFIX, HookRequest
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.answers import (
    PageWriter,
    RequestSocket,
    WsgiApp,
    call_application,
    make_environ,
)
from bridge.web.server.event_loop.commit_gatherer import CommitGatherer
from bridge.web.server.event_loop.hook_calls import HookCalls
from bridge.web.server.event_loop.request_body import RequestBody, StreamedBody
from bridge.web.server.passed_connections import PassedConnections, find_reader_path

PAGE_BODY_BYTES: Final = 32 * 1024 * 1024  # of bodies for Flask that each listener holds at once
NO_THREAD: Final = "no thread could be started; send this again"
TOO_MANY_STREAMS: Final = "too many large bodies arrive; send this one again"
log = get_logger()


@dataclass(kw_only=True)
class LoopEdge:
    """The parts and limits that all connections of a process share.

    A quarter of the threads for Flask may read bodies that arrive meanwhile: such a body holds its
    thread. `passed`: connections of the console process. `keeps_for_readers`: the process answers
    for the console and the admin API, and a connection is closed after another request, since a
    receiver is to answer the next one.
    """

    loop: asyncio.AbstractEventLoop
    parts: EdgeParts
    app: WsgiApp
    calls: HookCalls
    timings: Timings
    answers: AnswerLimits
    keep_alive_seconds: float
    threads: EdgeThreads
    passed: PassedConnections | None = None
    keeps_for_readers: bool = False
    connections: set[Any] = field(default_factory=set)
    _streams: int = 0
    _public_pages: BodyReader = field(default_factory=lambda: BodyReader(PAGE_BODY_BYTES))
    _private_pages: BodyReader = field(default_factory=lambda: BodyReader(PAGE_BODY_BYTES))

    def find_intake(self, path: str, server: tuple[str, int]) -> BodyReader:
        """Return the budget for the body of a request: of webhooks, or of pages by listener.

        So strangers cannot take what the worker and operators need.
        """
        if self.is_hook(path):
            return self.parts.intake
        return self._public_pages if self._serves_public(server) else self._private_pages

    def _serves_public(self, server: tuple[str, int]) -> bool:
        return self.parts.faces.serves_public(server[0], str(server[1]))

    def is_hook(self, path: str) -> bool:
        """Return whether a request is answered here, not by Flask."""
        return path.startswith(PREFIX)

    def begin(self, head: RequestHead, server: tuple[str, int]) -> HookAnswer | HookRequest:
        """Begin a request under /hooks on the socket with this address."""
        if not self._serves_public(server):
            return answer_reply(Reply(404, body=NOT_FOUND_BODY))
        return self.parts.receiver.begin(head)

    def pass_on(self, transport: Any, server: tuple[str, int], data: bytes) -> bool:
        """Pass a connection to the console process if the request that begins so is for it.

        A receiver itself refuses one whose socket serves neither the console nor the admin API.
        """
        if self.passed is None or self.answers.is_ending:
            return False
        path = find_reader_path(data)
        if path is None or not self.parts.faces.may_serve(path, server[0], str(server[1])):
            return False
        if transport.get_write_buffer_size():
            return False  # the rest of an answer is sent by this process
        return self.passed.put(transport.get_extra_info("socket"), server, data)

    def takes_body(self, head: RequestHead, server: tuple[str, int]) -> bool:
        """Return whether Flask reads the body of a request."""
        socket = RequestSocket(self.answers, lambda: None)
        return self.parts.takes_body(make_environ(head, io.BytesIO(), 0, server, socket))

    def may_keep(self, path: str) -> bool:
        """Return whether a connection may stay open after a request for this path.

        A proxy may send the requests of several clients on one connection.
        """
        return not self.keeps_for_readers or is_reader_path(path)

    def take_stream(self) -> bool:
        """Count a thread that reads a body while it arrives; return false where too many do."""
        is_free = self._streams < self.threads.flask_places // 4
        self._streams += is_free
        return is_free

    def free_stream(self) -> None:
        """Count such a thread less."""
        self._streams -= 1

    def call_flask(
        self,
        head: RequestHead,
        stdin: io.BufferedIOBase,
        length: int | None,
        server: tuple[str, int],
        writer: PageWriter,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        """Let Flask answer a request in a thread; `ended` is called on the loop, with `Refused`
        where no thread could be started.

        `length`: of the body that `stdin` has; None where it is not known.
        """
        socket = RequestSocket(self.answers, writer.abort)
        environ = make_environ(head, stdin, length, server, socket)

        def call() -> BaseException | None:
            try:
                call_application(self.app, environ, writer)
                writer.end()
            except ConnectionError as gone:
                return gone
            except Exception as bug:
                log.limited().error("internal_error", exc_info=bug)
                return bug
            return None

        try:
            future = self.loop.run_in_executor(self.threads.flask, call)
        except RuntimeError as error:
            log.limited().error("thread_not_started", name="flask", error=str(error))
            self.loop.call_soon(ended, refuse_busy(NO_THREAD))
            return
        future.add_done_callback(lambda done: ended(done.result()))


def stream_body(edge: LoopEdge, body: RequestBody, drained: Callable[[], None]) -> StreamedBody:
    """Divert a body to a thread that reads the rest of it while it arrives.

    `drained` is called on the loop when more may arrive. The caller frees the stream of the edge
    when the thread has ended. Raises `Refused` where too many threads read bodies.
    """
    if not edge.take_stream():
        raise refuse_busy(TOO_MANY_STREAMS)
    stream = StreamedBody(partial(edge.loop.call_soon_threadsafe, drained))
    body.divert(stream)
    return stream


def refuse_busy(message: str) -> Refused:
    """Return the refusal of a request for which something is short for now."""
    return Refused(503, "busy", message, headers={"Retry-After": "5"})


HOOK_THREADS: Final = 8  # requests under /hooks that wait or take long


class EdgePool(ThreadPoolExecutor):
    """A pool whose tasks wait for one of its threads where the machine refuses a further one.

    Where it has none, `submit` raises RuntimeError, and the task never runs. The library's pool
    raises it in both cases, and runs the task later all the same.
    """

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if self._threads:
                return
            self._work_queue.get_nowait()  # the task of this call: no thread has taken any
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeThreads:
    """The pools: for requests under /hooks that wait, for commits, and for what Flask answers.

    One commit at a time waits for the disk, so `commits` has one thread; `flask` has as many as
    `flask_places` says.
    """

    hooks: EdgePool
    commits: EdgePool
    flask: EdgePool
    flask_places: int

    @classmethod
    def create(cls, flask_places: int) -> EdgeThreads:
        """Return the pools, which start a thread when they need it."""
        return cls(
            hooks=EdgePool(HOOK_THREADS, "hooks"),
            commits=EdgePool(1, "commit"),
            flask=EdgePool(flask_places, "flask"),
            flask_places=flask_places,
        )

    def shut_down(self) -> None:
        """Take no more work, and let the threads end after what they have; do not wait for them."""
        for pool in (self.hooks, self.commits, self.flask):
            pool.shutdown(wait=False)


SAMPLE_SECONDS: Final = 0.5  # between two measurements of the lag


class LagObserver:
    """Counts the histograms of a receiver on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._committed = 0.0  # seconds of commits on the loop since the sample was due

    def begin(self) -> None:
        """Measure the lag until the loop ends."""
        self._due = monotonic() + SAMPLE_SECONDS
        self._committed = 0.0
        self._loop.call_later(SAMPLE_SECONDS, self._observe_lag)

    def observe_commit(self, seconds: float, *, on_loop: bool) -> None:
        """Record the duration of a commit; the next lag leaves out one on the loop."""
        COUNTS.observe(COMMIT, seconds)
        if on_loop:
            self._committed += min(seconds, max(0.0, monotonic() - self._due))

    def _observe_lag(self) -> None:
        COUNTS.observe(LOOP_LAG, max(0.0, monotonic() - self._due - self._committed))
        self.begin()


def make_edge(
    loop: asyncio.AbstractEventLoop,
    app: Flask,
    *,
    timings: Timings,
    answers: AnswerLimits,
    flask_places: int,
    keep_alive_seconds: float,
    passed: PassedConnections | None = None,
    keeps_for_readers: bool = False,
) -> LoopEdge:
    """Return the edge of this process for an application of `create_app`, and measure its loop.

    Call it after the fork: it creates the thread pools. `LoopEdge` says what the arguments mean.
    """
    parts: EdgeParts = app.extensions[EXTENSION]
    threads = EdgeThreads.create(flask_places)
    lag = LagObserver(loop)
    lag.begin()
    on_server = not parts.storage.database.is_sqlite
    gatherer = CommitGatherer(
        loop,
        parts.storage.add_each,
        threads.commits,
        lag.observe_commit,
        waits_for_server=on_server,
        retry_seconds=timings.commit_retry_seconds,
        pause_seconds=timings.commit_pause_seconds if on_server else 0.0,
    )
    return LoopEdge(
        loop=loop,
        parts=parts,
        app=app,
        calls=HookCalls(loop, gatherer, threads.hooks, timings.unproven_wait_seconds),
        timings=timings,
        answers=answers,
        keep_alive_seconds=keep_alive_seconds,
        threads=threads,
        passed=passed,
        keeps_for_readers=keeps_for_readers,
    )
