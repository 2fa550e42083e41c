"""Many workers on one PostgreSQL: together they keep every limit, start nothing twice, and go on
when the database goes away.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from days import within_a_day
from fleet import Line, add_named, starts, worker_processes
from postgres_server import end_connections, postgres_server, restart
from records import make_delivery, make_event
from servers import FakePlatform
from serving import Bridge, until
from sqlalchemy import text
from worker_bench import (
    QUICK,
    add,
    attempts,
    configured,
    ended,
    get,
    gumloop,
    is_in,
    made,
    slots,
    wait,
    working,
)

from bridge.core.errors import StoreError
from bridge.core.rate_limits import RATE_CATCH_UP_SECONDS
from bridge.store.db.database import Database
from bridge.store.inbound import events

pytestmark = [pytest.mark.timings(**QUICK), pytest.mark.usefixtures("quick_polling")]


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


# -- limits, across processes


@pytest.mark.usefixtures("new_processes")
def test_together_they_never_run_more_than_the_cap_and_start_nothing_twice(
    postgresql: Database, tmp_path: Path
) -> None:
    """As the platform sees it, which would take any number."""
    with FakePlatform(cap=1000, run_seconds=600.0) as fake:
        ids = [
            *add_named(postgresql, 60, "flood"),
            *add_named(postgresql, 12, "brook"),
            *add_named(postgresql, 12, "drop"),
        ]
        with worker_processes(4, tmp_path, url_of(postgresql), fake.base_url, cap=6):
            until(lambda: len(fake.accepted) == 6, what="as many as may go on")
            fake.run_seconds = 0.05
            fake.finish()
            until(lambda: len(fake.accepted) == len(ids), what="every start")
            found = wait(postgresql, ids, ended)
        assert fake.peak == 6
        assert starts(fake) == Counter(ids)
        assert {(one.attempts, one.throttled, one.run_state) for one in found} == {(1, 0, "done")}
        workers = {row.split(":")[1] for row in leases(postgresql)}
        first = Counter(start.json["route"] for start in fake.accepted[:36])
    assert min(first[route] for route in ("flood", "brook", "drop")) >= 8, (
        f"of the first 36 starts each route has its share: {first}"
    )
    assert slots(postgresql) == 0
    assert not workers, "all leases are over"


def leases(database: Database, where: str = "lease IS NOT NULL") -> list[str]:
    """Return the leases for which a condition is true at this moment, `:now`."""
    statement = text(f"SELECT lease FROM delivery WHERE {where}")  # noqa: S608
    with database.read() as connection:
        now = {"now": time.time()} if ":now" in where else {}
        return list(connection.execute(statement, now).scalars())


@pytest.mark.usefixtures("before_release")
def test_together_they_keep_the_pace_and_the_number_of_a_day(
    postgresql: Database, tmp_path: Path
) -> None:
    within_a_day()
    per_second = 10
    limits = {
        "paced": {"rate": (per_second, 1.0)},
        "daily": {"max_runs_per_day": 7},
        "narrow": {"max_concurrent_runs": 2},
    }
    with FakePlatform(cap=1000, run_seconds=0.1) as fake:
        paced, daily, narrow = (add_named(postgresql, 20, name) for name in limits)
        with worker_processes(
            3, tmp_path, url_of(postgresql), fake.base_url, cap=50, limits=limits
        ):
            until(
                lambda: sum(start.json["route"] == "daily" for start in fake.accepted) == 7,
                what="those of a day",
            )
            until(
                lambda: sum(start.json["route"] != "daily" for start in fake.accepted) == 40,
                what="the paced and the narrow",
            )
            wait(postgresql, [*paced, *narrow], ended)
            of_day = wait(postgresql, daily, is_in("delivered", "queued"))
        # the platform may have stood still, and seen many at once
        at = sorted(attempts(postgresql, one)[0].started_at for one in paced)
        spans = {
            run.outputs["id"]: (run.created_at, run.ends_at)
            for run in fake.runs.values()
            if run.outputs["route"] == "narrow"
        }
        assert set(starts(fake).values()) == {1}
    assert sum(one.status == "delivered" for one in of_day) == 7
    # the calls of one claim leave at once, so a window may hold what was made up for, and one more
    for index, begin in enumerate(at):
        within = sum(begin <= one < begin + 1.0 for one in at[index:])
        assert within <= per_second * (1 + RATE_CATCH_UP_SECONDS) + 1, (
            f"{within} starts within a second"
        )
    moments = sorted(
        [(start, 1) for start, _ in spans.values()] + [(end, -1) for _, end in spans.values()]
    )
    running = [sum(step for _, step in moments[: place + 1]) for place in range(len(moments))]
    assert max(running) <= 2


@pytest.mark.usefixtures("before_release")
def test_a_killed_workers_deliveries_are_taken_over_by_the_others(
    postgresql: Database, tmp_path: Path
) -> None:
    """kill -9 under load: what was under way is unknown or started once; all else is started
    once.
    """
    with FakePlatform(cap=1000, run_seconds=0.02) as fake:
        ids = add_named(postgresql, 120, "flood")
        with worker_processes(3, tmp_path, url_of(postgresql), fake.base_url, cap=8) as processes:
            until(lambda: len(fake.accepted) >= 20, what="some starts")
            processes[0].send_signal(signal.SIGKILL)
            until(lambda: len(fake.accepted) >= 60, what="more starts")
            processes[1].send_signal(signal.SIGKILL)
            found = wait(postgresql, ids, lambda one: one.status == "unknown" or ended(one))
        assert set(starts(fake).values()) == {1}
        unknown = [one for one in found if one.status == "unknown"]
        assert len(unknown) <= 16
        assert {one.id for one in found} - {one.id for one in unknown} <= set(starts(fake))


# -- waking


@pytest.mark.timings(quiet_poll_seconds=30.0, heartbeat_seconds=30.0)
def test_a_worker_elsewhere_wakes_at_once(postgresql: Database) -> None:
    """Its idle looks are too far apart to find what comes in."""
    from bridge.store.db.notify import WakeupNotifier

    with FakePlatform() as fake, working(postgresql, configured(gumloop(fake))) as worker:
        until(
            lambda: worker._cycle.listener.is_connected and worker._cycle.is_quiet,
            what="an idle worker",
        )
        elsewhere = Database(url_of(postgresql))
        add(elsewhere)
        WakeupNotifier(elsewhere, lambda: None).notify()
        until(lambda: fake.starts, what="a start")
        elsewhere.close()


def test_nothing_depends_on_the_bell(postgresql: Database) -> None:
    with FakePlatform() as fake, working(postgresql, configured(gumloop(fake))):
        wait(postgresql, add(postgresql), is_in("delivered"))


# -- the database goes away


@pytest.fixture
def line(postgresql: Database, tmp_path: Path) -> Iterator[Line]:
    with Line(url_of(postgresql), tmp_path) as line:
        yield line


@pytest.mark.timings(heartbeat_seconds=600.0)
def test_claims_of_a_commit_without_an_answer_are_made_again_and_start_once(
    postgresql: Database, line: Line
) -> None:
    """The claim was committed, but the worker does not know: it hands it back, and the intent of a
    call that never began is gone.
    """
    through = Database(line.url, timings=postgresql.timings)
    worker = made(through, configured(gumloop(url="http://127.0.0.1:1")))
    worker.step()  # a beat, so that the next turn only claims
    ids = add(postgresql, 3)
    line.lose_commits = 1
    worker.step()
    assert (line.lost, line.committed) == (1, 1)
    with FakePlatform(run_seconds=0.05) as fake:
        worker._cycle._config = lambda: configured(gumloop(fake))
        thread = threading.Thread(target=worker.run)
        thread.start()
        found = wait(postgresql, ids, ended)
        worker.stop()
        thread.join(60)
        assert len(fake.starts) == 3
    assert {(one.status, one.attempts, one.throttled) for one in found} == {("delivered", 1, 0)}
    through.close()


def test_an_event_of_a_commit_without_an_answer_is_a_503_and_then_a_duplicate(
    postgresql: Database, line: Line
) -> None:
    through = Database(line.url, timings=postgresql.timings)
    event = make_event("1")
    arrivals = [(event, [make_delivery(event)])]
    line.lose_commits = 1
    with pytest.raises(StoreError):  # which the edge answers with 503: tests/web/test_http_edge.py
        events.add_all(through, arrivals, lambda *_: [])
    assert (line.lost, line.committed) == (1, 1)
    again = make_event("1")
    [added] = events.add_all(through, [(again, [make_delivery(again)])], lambda *_: [])
    assert (added.event_id, added.deliveries, added.duplicate) == (event.id, (), True)
    assert len(events.deliveries_of(postgresql, [event.id])[event.id]) == 1
    through.close()


def test_a_worker_outlives_every_loss_of_its_connections(postgresql: Database, line: Line) -> None:
    """Connections end in the middle of turns, some of them during a COMMIT; nothing is started
    twice or forgotten.
    """
    through = Database(line.url, timings=postgresql.timings)
    with FakePlatform(cap=1000, run_seconds=0.02) as fake:
        ids = add_named(postgresql, 60, "flood")
        with working(through, configured(gumloop(fake, max_concurrent_runs=8))):
            for enough in (5, 15, 25, 35, 45):
                until(lambda enough=enough: len(fake.accepted) >= enough, what="more starts")
                line.lose_commits = 1
                until(lambda: line.lose_commits == 0, what="a lost commit")
                line.end_all()
            found = wait(postgresql, ids, lambda one: one.status == "unknown" or ended(one))
        assert set(starts(fake).values()) == {1}
    assert [one for one in found if one.status == "unknown"] == []
    assert slots(postgresql) == 0
    through.close()


@pytest.mark.usefixtures("before_release")
@pytest.mark.timings(lease_seconds=4.0, heartbeat_seconds=0.1)
def test_a_long_outage_makes_no_delivery_unknown_whose_answer_came(
    postgresql: Database, line: Line
) -> None:
    """While it lasts every lease runs out; when it is over the worker that was cut off too gives
    the others time to say what they know.
    """
    one, other = (Database(line.url, timings=postgresql.timings) for _ in range(2))
    with FakePlatform(run_seconds=0.05) as fake:
        answer = threading.Event()
        fake.faults = [answer] * 4
        config = configured(gumloop(fake, max_concurrent_runs=4))
        with working(one, config), working(other, config):
            ids = add(postgresql, 4, on_unknown="hold")
            until(lambda: len(fake.starts) == 4, what="four calls")
            line.cut = True
            line.end_all()
            answer.set()
            until(
                lambda: not leases(postgresql, "lease_until > :now"), what="the end of all leases"
            )
            line.cut = False
            found = wait(
                postgresql,
                ids,
                lambda one: one.status != "sending" and (one.status != "delivered" or ended(one)),
            )
        assert len(fake.starts) == 4
    assert {(one.status, one.run_state) for one in found} == {("delivered", "done")}
    one.close()
    other.close()


def test_a_worker_whose_clock_is_wrong_takes_nothing_over(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine's clock is five minutes ahead: to it every lease would have run out."""
    from bridge.store.db import clock

    really = time.time
    answer = threading.Event()
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = [answer]
        with working(postgresql, configured(gumloop(fake, timeout=60.0))):
            (one,) = add(postgresql, on_unknown="hold")
            until(lambda: fake.starts, what="a call")
            wrong = made(postgresql, configured(gumloop(fake)))
            monkeypatch.setattr(clock, "time", _Ahead(really, 300.0))
            wrong.step()
            assert get(postgresql, one).status == "sending"
            monkeypatch.undo()
            answer.set()
            wait(postgresql, [one], ended)
        assert len(fake.starts) == 1


class _Ahead:
    """The module `time` of a machine whose clock is so many seconds ahead."""

    def __init__(self, really: Callable[[], float], seconds: float) -> None:
        self._really = really
        self._seconds = seconds

    def time(self) -> float:
        return self._really() + self._seconds


def test_a_clock_that_is_stepped_dates_nothing_wrong(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was 45 s ahead and is 45 s behind: an intent that went by what was known of the first
    would be 90 s too early.
    """
    from bridge.store.db import clock

    really = time.time
    monkeypatch.setattr(clock, "time", _Ahead(really, 45.0))
    now = clock.DatabaseClock(postgresql)
    now.set()
    assert now() == pytest.approx(really(), abs=10)
    assert clock.measure_offset(postgresql) == pytest.approx(-45.0, abs=10)
    monkeypatch.setattr(clock, "time", _Ahead(really, -45.0))
    assert now() == pytest.approx(really(), abs=10)
    now.set()
    assert now() == pytest.approx(really(), abs=10)


# -- everything, with real processes, while the server itself dies

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{base}", api_key: "${{env:KEY}}", user_id: fake-user, max_concurrent_runs: 500}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: everything, on: github, inputs: {{n: "${{body.n}}"}}, flow: gumloop/aB3dEfGhJkLmNpQrStUvWx, on_unknown: hold}}
"""


class Sender:
    """Posts events one after another, each until it got a 2xx, as a sender does that retries."""

    def __init__(self, bridge: Bridge, first: int) -> None:
        self._bridge = bridge
        self._first = first
        self.answers: Counter[int] = Counter()
        self.acknowledged: dict[int, str] = {}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for number in count(self._first):
            body = json.dumps({"n": number}).encode()
            while number not in self.acknowledged:
                if self.stop.is_set():
                    return
                answer = self._bridge.event(body, delivery=f"github-{number}")
                self.answers[answer.status] += 1
                if answer.status in (200, 202):
                    self.acknowledged[number] = answer.json["event_id"]
                else:
                    time.sleep(0.05)


@pytest.mark.usefixtures("before_release")
def test_a_server_that_crashes_under_load_loses_nothing_and_starts_nothing_twice(
    tmp_path: Path,
) -> None:
    web_at, work_at = (tmp_path / name for name in ("web", "work"))
    for folder in (web_at, work_at):
        folder.mkdir()
    with postgres_server() as server, FakePlatform(cap=1000, run_seconds=0.02) as fake:
        routes = ROUTES.format(base=fake.base_url)
        environ = {
            "FLOWBRIDGE_DATABASE_URL": server.get_uri(),
            "FLOWBRIDGE_SECRET_KEY": "k" * 32,
            "KEY": "fake-key",
        }
        with (
            Bridge(web_at, "web", routes=routes, environ=environ) as web,
            Bridge(work_at, "work", routes=routes, environ=environ) as work,
        ):
            until(web.is_up, what="a worker")
            senders = [Sender(web, first * 100_000) for first in range(1, 5)]
            try:
                for crashes in (1, 2):
                    enough = sum(len(one.acknowledged) for one in senders) + 60
                    until(
                        lambda enough=enough: (
                            sum(len(one.acknowledged) for one in senders) >= enough
                        ),
                        what=f"events, {crashes}",
                    )
                    if crashes == 1:
                        end_connections(web.database)
                    else:
                        web.database.close()
                        restart(server)
                enough = sum(len(one.acknowledged) for one in senders) + 60
                until(
                    lambda: sum(len(one.acknowledged) for one in senders) >= enough,
                    what="events after the crash",
                )
            finally:
                for one in senders:
                    one.stop.set()
                for one in senders:
                    one.thread.join(60)
            answers = sum((one.answers for one in senders), Counter())
            acknowledged = {
                number: event_id for one in senders for number, event_id in one.acknowledged.items()
            }
            assert set(answers) <= {200, 202, 503}, answers
            over = "status = 'unknown' OR run_state = 'done'"
            until(
                lambda: web.count("delivery", over) == web.count("delivery") >= len(acknowledged),
                what="every run",
            )
            unknown = web.count("delivery", "status = 'unknown'")
            assert work.process is not None and work.process.poll() is None
            with web.database.read() as connection:
                kept = dict(connection.execute(text("SELECT id, provider_id FROM event")).all())
        assert {kept[event_id] for event_id in acknowledged.values()} == {
            f"github-{number}" for number in acknowledged
        }
        started = Counter(start.json["n"] for start in fake.accepted)
        assert set(started.values()) == {1}
        assert set(acknowledged) <= set(started) or unknown
        assert len(set(acknowledged) - set(started)) <= unknown <= 20
