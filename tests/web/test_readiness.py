"""/readyz: however often it is asked, the store is looked at seldom, and by one thread at a
time.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import Bridge, head, read_answer

from bridge.core.timings import Timings
from bridge.web.health import Readiness, ReadinessCache

READY: Readiness = (True, 1, None)
NOT_READY: Readiness = (True, 0, None)
NO_CACHE = Timings(ready_cache_seconds=0.0, not_ready_cache_seconds=0.0)


def test_a_flood_of_questions_is_one_look() -> None:
    looks: list[Readiness] = []
    look = lambda: looks.append(READY) or READY  # type: ignore[func-returns-value]  # noqa: E731
    cache = ReadinessCache(look, Timings(ready_cache_seconds=600.0))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: cache(), range(200))) == {READY}
    assert looks == [READY]


def test_what_has_changed_is_seen_by_the_next_look() -> None:
    found = iter([NOT_READY, READY, NOT_READY])
    cache = ReadinessCache(lambda: next(found), NO_CACHE)
    assert [cache(), cache(), cache()] == [NOT_READY, READY, NOT_READY]


def test_a_look_that_hangs_holds_one_thread_up() -> None:
    hangs = threading.Event()
    go_on = threading.Event()
    looks = []

    def look() -> Readiness:
        looks.append(1)
        if len(looks) == 2:
            hangs.set()
            go_on.wait(60)
        return READY

    cache = ReadinessCache(look, NO_CACHE)
    cache()
    slow = threading.Thread(target=cache)
    slow.start()
    hangs.wait(60)
    assert [cache() for _ in range(5)] == [READY] * 5 and len(looks) == 2
    go_on.set()
    slow.join()


@pytest.mark.usefixtures("new_processes")
def test_a_receiver_remembers_its_answer(tmp_path: Path) -> None:
    """Here for longer than the test lasts, so that a worker that comes is not seen."""
    timings = {"not_ready_cache_seconds": 600.0}
    with (
        Bridge(tmp_path, "web", timings=timings) as web,
        socket.create_connection(("127.0.0.1", web.port), 60) as sock,
    ):

        def ask() -> int:
            sock.sendall(head("GET", "/readyz"))  # always the same receiver
            return read_answer(sock).status

        assert ask() == 503
        with Bridge(tmp_path, "work", port=web.port):
            web.wait_for(web.event().json["event_id"], lambda one: one.run_state == "done")
            assert ask() == 503
