"""The threads of a worker: how many there are, and how they end."""

from __future__ import annotations

import io
import threading

import pytest
from serving import until

from bridge.system import logs
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

    stream = io.StringIO()
    monkeypatch.setattr(logs, "setup", logs.LogSetup(stream=stream))
    done = threading.Event()
    pool = ThreadPool("scarce", 2, lambda _: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    pool.submit("a", done.set)
    for _ in range(3):
        assert pool.grow(), "the task waits"
    assert len(refused) > 2
    assert stream.getvalue().count("thread_not_started") == 1
    monkeypatch.setattr(threading.Thread, "start", start)
    until(lambda: not pool.grow() and done.is_set(), what="the task")
    pool.close()
    until(lambda: not threads("scarce"), what="the end of all threads")


def test_it_grows_by_each_task_that_waited_while_none_was_taken() -> None:
    go = threading.Event()
    pool = ThreadPool("slow", 16, lambda _: None)
    for number in range(8):
        pool.submit(str(number), lambda: bool(go.wait(60)))
    until(lambda: pool._taken == 2, what="two calls")
    assert pool.grow()
    assert len(threads("slow")) == 2, "they came just now"
    pool.grow()
    assert len(threads("slow")) == 8
    go.set()
    pool.close()
    until(lambda: not threads("slow"), what="the end of all threads")


@pytest.mark.usefixtures("new_processes")
def test_it_does_not_grow_while_tasks_are_taken_quickly() -> None:
    turns = threading.Semaphore(0)
    pool = ThreadPool("quick", 16, lambda _: None)
    for number in range(12):
        pool.submit(str(number), lambda: bool(turns.acquire(timeout=60)))
    until(lambda: pool._taken == 2, what="two calls")
    pool.grow()
    turns.release(3)  # 10 waited, and four calls of `grow` would see 12 taken
    until(lambda: pool._taken == 5, what="three more calls")
    assert pool.grow()
    assert len(threads("quick")) == 2
    turns.release()  # 7 waited, and they would see 4 taken
    until(lambda: pool._taken == 6, what="one more call")
    pool.grow()
    assert len(threads("quick")) == 5
    turns.release(8)  # all that are left
    pool.close()
    until(lambda: not threads("quick"), what="the end of all threads")
