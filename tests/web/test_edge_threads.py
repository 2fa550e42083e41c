"""A task for which the machine starts no thread waits for another thread, or never runs."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from bridge.web.server.event_loop.loop_edge import EdgePool, EdgeThreads


def refuse(_thread: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


def test_a_task_without_any_thread_is_refused_and_never_runs() -> None:
    ran: list[str] = []
    with EdgePool(2, "hooks") as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="thread"):
                    pool.submit(ran.append, "refused")
        pool.submit(ran.append, "later").result(10)
    assert ran == ["later"]


def test_a_task_for_which_no_further_thread_starts_waits_for_one_that_runs() -> None:
    begun, free = threading.Event(), threading.Event()
    with EdgePool(2, "hooks") as pool:
        first = pool.submit(lambda: begun.set() or free.wait(10))
        assert begun.wait(10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            second = pool.submit(lambda: "done")
        assert not second.done()
        free.set()
        assert second.result(10) == "done" and first.result(10)


def test_a_pool_that_was_shut_down_refuses_every_task() -> None:
    pool = EdgePool(1, "hooks")
    pool.submit(int).result(10)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(int)


def test_the_threads_of_an_edge_end_with_it() -> None:
    threads = EdgeThreads.create(1)
    pools = (threads.hooks, threads.commits, threads.flask)
    running = [pool.submit(threading.current_thread).result(10) for pool in pools]
    threads.shut_down()
    for pool, thread in zip(pools, running, strict=True):
        with pytest.raises(RuntimeError, match="shutdown"):
            pool.submit(int)
        thread.join(10)
        assert not thread.is_alive()
