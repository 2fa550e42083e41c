"""Creates the receiving edge of a process."""

from __future__ import annotations

import asyncio

from flask import Flask

from bridge.core.timings import Timings
from bridge.web.edge_parts import EXTENSION, EdgeParts
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.commit_gatherer import CommitGatherer
from bridge.web.server.event_loop.edge_threads import EdgeThreads
from bridge.web.server.event_loop.hook_calls import HookCalls
from bridge.web.server.event_loop.lag_observer import LagObserver
from bridge.web.server.event_loop.loop_edge import LoopEdge
from bridge.web.server.passed_connections import PassedConnections


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
