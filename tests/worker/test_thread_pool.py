"""The threads of a worker: how they end."""

from __future__ import annotations

import threading

import pytest
from serving import until

from bridge.worker.thread_pool import ThreadPool


def threads(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def test_closed_each_thread_ends_when_its_task_has_and_what_was_submitted_is_done() -> None:
    go = threading.Event()
    done = []
    failed = []
    pool = ThreadPool("closing", 4, failed.append)
    for number in range(6):
        pool.submit(str(number), lambda number=number: (go.wait(60), done.append(number)))  # type: ignore[misc]
    assert len(threads("closing")) == 2
    pool.close()
    pool.grow()
    assert len(threads("closing")) == 2, "none is started any more"
    go.set()
    until(lambda: not threads("closing"), what="the end of all threads")
    assert (sorted(done), failed) == (list(range(6)), [])


def test_a_task_waits_while_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    refused = []

    def refuse(thread: threading.Thread) -> None:
        refused.append(thread.name)
        raise RuntimeError("can't start new thread")

    done = threading.Event()
    pool = ThreadPool("scarce", 2, lambda _: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    pool.submit("a", done.set)
    for _ in range(3):
        assert pool.grow(), "the task waits"
    assert len(refused) > 2
    monkeypatch.setattr(threading.Thread, "start", start)
    until(lambda: not pool.grow() and done.is_set(), what="the task")
    pool.close()
    until(lambda: not threads("scarce"), what="the end of all threads")
