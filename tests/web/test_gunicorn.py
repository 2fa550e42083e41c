"""What is set of gunicorn is the same by the short way and by its own."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from processes import PATIENCE
from serving import read_answer

from bridge.config.settings import load_settings
from bridge.core.timings import Timings
from bridge.web.server import app
from bridge.web.server.passed_connections import PassedConnections


def test_its_settings_are_found_without_asking_it_and_are_what_they_were() -> None:
    chosen = app.options(load_settings({}), lambda _: None)
    cfg = app.Receivers(Flask("nothing"), chosen, lambda: None).cfg
    before = {name: getattr(cfg, name) for name in cfg.settings}
    assert not vars(cfg).keys() & before.keys()
    app._cache_settings(cfg)
    assert vars(cfg).keys() > before.keys()
    assert {name: getattr(cfg, name) for name in cfg.settings} == before
    assert (cfg.threads, cfg.keepalive, cfg.forwarder_headers) == (app.THREADS, 75, [])


def test_receivers_go_on_where_no_console_process_can_be_forked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "kill", lambda *_: None)  # no signal to a parent
    queue = PassedConnections()
    ours, client = socket.socketpair()
    with ours:
        assert queue.put(ours, ("127.0.0.1", 8080), b"GET /console")
    parent = app._Parent.__new__(app._Parent)
    vars(parent).update(
        WORKERS={7: SimpleNamespace(age=1)},
        _num_workers=1,
        _last_logged_active_worker_count=1,
        cfg=SimpleNamespace(enable_backlog_metric=False, worker_class=app.LoopReceiver),
        passed=queue,
        spawn_worker=fail,
    )
    with client:
        client.settimeout(PATIENCE)
        parent.manage_workers()
        assert read_answer(client).status == 503
    assert "console_process_not_started" in caplog.text
    assert (parent.worker_class, parent.num_workers) == (app.LoopReceiver, 1)
    queue.close()
    vars(parent).update(passed=SimpleNamespace(is_waiting=lambda: True), spawn_worker=lambda: 8)
    parent.manage_workers()
    parent.WORKERS[8] = SimpleNamespace(age=2)
    assert parent.num_workers == 2, "it has no successor"


def test_the_fork_is_the_first_heartbeat() -> None:
    settings = replace(load_settings({}), timings=Timings(console_stall_seconds=0.0))
    chosen = app.options(settings, lambda _: None)
    cfg = app.Receivers(Flask("nothing"), chosen, lambda: None).cfg
    process = app.ConsoleProcess(1, os.getpid(), [], None, 30.0, cfg, None)
    cfg.pre_fork(None, process)
    assert process.is_stalled()
    process.tmp.close()
