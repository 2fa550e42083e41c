"""Tests of idle workers: they check for changes without reading the queue, and react at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from servers import Misbehaving, respond
from serving import until
from sqlalchemy import Connection
from worker_bench import add, configured, get, gumloop, made, working

from bridge.core.model import Status
from bridge.store.db.change_detector import ChangeDetector
from bridge.store.db.database import Database
from bridge.store.queue import claims


@pytest.mark.usefixtures("new_processes")
def test_a_commit_of_anybody_is_a_change_and_is_one_once(sqlite: Database) -> None:
    changes = ChangeDetector(sqlite)
    assert changes.has_changed(), "before the first look nothing is known"
    assert not changes.has_changed()
    sqlite.write(lambda connection: connection.exec_driver_sql("CREATE TABLE another (x)"))
    assert (changes.has_changed(), changes.has_changed()) == (True, False)
    other = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute('INSERT"
        " INTO another VALUES (1)')"
    )
    subprocess.run([sys.executable, "-c", other, str(sqlite.path)], check=True)
    assert (changes.has_changed(), changes.has_changed()) == (True, False)
    with sqlite.read() as connection:
        connection.exec_driver_sql("SELECT * FROM another").all()
    assert not changes.has_changed(), "who reads changes nothing"
    changes.close()
    assert (changes.has_changed(), changes.has_changed()) == (
        True,
        True,
    ), "what cannot be asked may have been changed"


def test_where_nobody_counts_there_may_always_be_one(postgresql: Database) -> None:
    changes = ChangeDetector(postgresql)
    assert all(changes.has_changed() for _ in range(3))
    changes.close()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times at which a worker read the queue."""
    when: list[float] = []
    due: Callable[[Connection, float], bool] = claims.is_work_due

    def noted(connection: Connection, now: float) -> bool:
        when.append(now)
        return due(connection, now)

    monkeypatch.setattr(claims, "is_work_due", noted)
    return when


@pytest.mark.timings(heartbeat_seconds=1000.0)
def test_an_idle_worker_does_not_look_into_the_queue_until_somebody_changes_the_store(
    sqlite: Database, looks: list[float]
) -> None:
    with Misbehaving() as server:
        server.script(
            "/start_pipeline", respond(200, {"run_id": "r1", "url": "https://example.com/r1"})
        )
        worker = made(sqlite, configured(gumloop(url=server.url)))
        for _ in range(3):  # it says that it is there, which is a change, and sees it
            worker.step()
        before = len(looks)
        for _ in range(50):
            worker.step()
        assert before > 0 and len(looks) == before
        [one] = add(sqlite)

        def started() -> bool:
            worker.step()
            return get(sqlite, one).status is Status.DELIVERED

        until(started, what="a start")
        worker.stop()
        worker.run()


def test_elsewhere_it_looks(postgresql: Database, looks: list[float]) -> None:
    worker = made(postgresql, configured(gumloop(url="http://127.0.0.1:1")))
    for _ in range(10):
        worker.step()
    assert len(looks) >= 9
    worker.stop()
    worker.run()


@pytest.mark.timings(heartbeat_seconds=0.4)
def test_what_becomes_due_by_itself_is_not_slept_through(
    sqlite: Database, looks: list[float]
) -> None:
    with Misbehaving() as server:
        server.script(
            "/start_pipeline", respond(200, {"run_id": "r1", "url": "https://example.com/r1"})
        )
        with working(sqlite, configured(gumloop(url=server.url))):
            at = time.time() + 1.0
            [one] = add(sqlite, due_at=at)
            until(lambda: get(sqlite, one).status is Status.DELIVERED, what="a start")
            started_at = get(sqlite, one).delivered_at
    assert started_at is not None and at <= started_at < at + 5
