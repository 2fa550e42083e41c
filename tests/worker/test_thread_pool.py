"""The threads of a worker: how they end."""

from __future__ import annotations

import threading

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
