"""Celery as the engine: the broker may lose or repeat whatever it likes, and each delivery is
started once all the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import required
from fleet import add_named, starts
from records import NOW, make_delivery, make_event
from servers import FakePlatform
from serving import Bridge, free_port, until
from sqlalchemy import select
from worker_bench import (
    QUICK,
    add,
    attempts,
    configured,
    ended,
    get,
    gumloop,
    is_in,
    slots,
    wait,
    working,
)

from bridge.config.settings import load_settings
from bridge.core.errors import SettingsError, StoreError
from bridge.core.timings import TIMINGS
from bridge.monitoring.presence import list_bridges
from bridge.store.db.database import Database
from bridge.store.queue import claims, ledger
from bridge.store.queue.claim_round import Claim, ClaimLimits
from bridge.store.tables import schema
from bridge.system.http_client import HttpClient
from bridge.worker.attempt_deadline import NOT_MADE
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.celery.tasks import TaskRunner

PASSWORD = "hunter2hunter2"
pytestmark = [pytest.mark.timings(**QUICK), pytest.mark.usefixtures("quick_polling")]

# -- a task, without a broker


@pytest.fixture
def calls() -> Iterator[Callable[..., TaskRunner]]:
    """Make the calls of a process."""
    made: list[TaskRunner] = []

    def make(database: Database, config: Any, send: Any = None) -> TaskRunner:
        made.append(TaskRunner(lambda: config, database, send or HttpClient().send, 60.0))
        return made[-1]

    yield make
    for each in made:
        each.close()


def lease_all(database: Database) -> list[Claim]:
    """Lease what is due as a worker does that hands it over."""
    allowed = ClaimLimits(caps={"gumloop": 50})
    return database.write(
        lambda c: claims.claim(c, allowed, limit=50, now=time.time(), lease="w:1", intents=False)
    )


def test_a_lease_without_an_intent_is_queued_again_and_has_spent_nothing(
    database: Database,
) -> None:
    """As it is with a message that was lost."""
    (one,) = add(database)
    lease_all(database)
    assert (get(database, one).status, attempts(database, one)) == ("sending", [])
    database.write(lambda c: ledger.reap_expired(c, time.time() + 600, 0.5, lambda _: None))
    known = get(database, one)
    assert (known.status, known.attempts, known.throttled, slots(database)) == ("queued", 0, 0, 0)


def test_a_call_is_made_and_settled_as_a_worker_does(database: Database, calls: Any) -> None:
    with FakePlatform() as fake:
        (one,) = add(database, inputs={"title": "Bug"})
        lease_all(database)
        assert calls(database, configured(gumloop(fake))).make_call(one, "w:1")
        assert fake.starts[0].json["title"] == "Bug"
    known = get(database, one)
    assert (known.status, known.attempts, known.run_state, known.lease) == (
        "delivered",
        1,
        "queued",
        None,
    )
    assert [(each.number, each.outcome) for each in attempts(database, one)] == [(1, "started")]


def test_of_a_message_that_comes_many_times_at_once_one_starts_the_flow(
    database: Database, calls: Any
) -> None:
    with FakePlatform(cap=100) as fake:
        ids = add(database, 5)
        lease_all(database)
        ours = calls(database, configured(gumloop(fake, max_concurrent_runs=50)))
        made: list[bool] = []
        threads = [
            threading.Thread(target=lambda one=one: made.append(ours.make_call(one, "w:1")))
            for one in ids * 6
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (made.count(True), len(fake.starts)) == (5, 5)
        assert not any(ours.make_call(one, "w:1") for one in ids), "nor when all is over"


def test_a_message_with_the_lease_of_the_call_itself_starts_nothing(
    database: Database, calls: Any
) -> None:
    with FakePlatform() as fake:
        (one,) = add(database)
        lease_all(database)
        ours = calls(database, configured(gumloop(fake)))
        fake.faults = [0.5]
        thread = threading.Thread(target=ours.make_call, args=(one, "w:1"))
        thread.start()
        until(lambda: fake.starts, what="a call")
        assert not ours.make_call(one, get(database, one).lease or "")
        thread.join()
        assert len(fake.starts) == 1


@pytest.mark.parametrize("lease", ["w:0", "", "' OR 1=1 --"])
def test_a_message_with_another_lease_is_nobodys(
    database: Database, calls: Any, lease: str
) -> None:
    with FakePlatform() as fake:
        (one,) = add(database)
        lease_all(database)
        ours = calls(database, configured(gumloop(fake)))
        assert not ours.make_call(one, lease)
        assert not ours.make_call("dlv_nothing", "w:1")
        assert fake.starts == []
    assert attempts(database, one) == []


def test_a_platform_that_only_the_worker_knows_is_left_to_others(
    database: Database, calls: Any
) -> None:
    (one,) = add(database)
    lease_all(database)
    assert not calls(database, configured()).make_call(one, "w:1")
    assert (get(database, one).status, attempts(database, one)) == ("sending", [])


def test_a_platform_that_lacks_a_value_by_now_is_not_called(database: Database, calls: Any) -> None:
    (one,) = add(database)
    lease_all(database)
    with FakePlatform() as fake:
        assert not calls(
            database,
            configured(gumloop(fake, api_key="", missing="environment variable KEY is not set")),
        ).make_call(one, "w:1")
        assert (get(database, one).status, attempts(database, one), fake.starts) == (
            "sending",
            [],
            [],
        )


def lease_of(database: Database, delivery_id: str) -> tuple[str, float]:
    """Return the lease of a delivery, and when it ends."""
    columns = schema.delivery.c
    statement = select(columns.lease, columns.lease_until).where(columns.id == delivery_id)
    with database.read() as connection:
        lease, end = connection.execute(statement).one()
    return lease, end


@pytest.mark.timings(lease_seconds=5.0, heartbeat_seconds=0.1)
def test_a_call_extends_its_lease_until_its_answer(database: Database, calls: Any) -> None:
    answer = threading.Event()
    with (
        FakePlatform(run_seconds=0.05) as fake,
        working(database, configured(gumloop(fake)), relay=BrokerRelay(lambda *_: None, (1.0,))),
        ThreadPoolExecutor(1) as pool,
    ):
        fake.faults = [answer]
        (one,) = add(database)
        [claimed] = wait(database, [one], is_in("sending"))
        runner = calls(database, configured(gumloop(fake)))
        call = pool.submit(runner.make_call, one, claimed.lease or "")
        until(lambda: fake.starts, what="a call")
        lease, end = lease_of(database, one)
        until(lambda: lease_of(database, one) > (lease, end), what="a longer lease")
        assert lease_of(database, one)[0] == lease
        answer.set()
        assert call.result(60)
        assert get(database, one).status == "delivered"
        wait(database, [one], ended)
        assert len(fake.starts) == 1


def test_an_answer_waits_for_a_store_that_fails(
    sqlite: Database, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sqlite.write
    failed = threading.Event()

    def failing(work: Any) -> Any:
        if fake.accepted and not failed.is_set():
            failed.set()
            raise StoreError("OperationalError: the database is away")
        return write(work)

    with FakePlatform() as fake:
        (one,) = add(sqlite)
        lease_all(sqlite)
        ours = calls(sqlite, configured(gumloop(fake)))
        monkeypatch.setattr(sqlite, "write", failing)
        assert ours.make_call(one, "w:1")
        assert failed.is_set()
    assert get(sqlite, one).status == "delivered"


def test_a_fault_in_a_call_is_unknown(sqlite: Database, calls: Any) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    (one,) = add(sqlite)
    lease_all(sqlite)
    assert calls(sqlite, configured(gumloop(url="http://127.0.0.1:1")), broken).make_call(
        one, "w:1"
    )
    assert get(sqlite, one).status == "unknown"


# -- the worker's end


def test_what_the_broker_does_not_take_is_handed_back_and_tried_again_later(
    database: Database,
) -> None:
    taken: list[tuple[str, str]] = []
    away = threading.Event()
    away.set()
    tries: list[float] = []

    def publish(delivery_id: str, lease: str) -> None:
        tries.append(time.monotonic())
        if away.is_set():
            raise ConnectionError(f"cannot reach redis://:{PASSWORD}@127.0.0.1")
        taken.append((delivery_id, lease))

    ids = add(database, 3, "paced")
    with working(
        database, configured(gumloop(url="http://127.0.0.1:1")), relay=BrokerRelay(publish, (0.3,))
    ):
        until(lambda: len(tries) >= 3, what="three tries")
        wait(database, ids, lambda one: one.status == "queued" or not away.is_set())
        away.clear()
        until(lambda: len(taken) == 3, what="all three")
        known = wait(database, ids, is_in("sending"))
    assert {one for one, _ in taken} == set(ids)
    assert {lease for _, lease in taken} == {one.lease for one in known}
    assert {(one.attempts, one.throttled) for one in known} == {(0, 0)}
    assert tries[1] - tries[0] >= 0.3


def test_the_waits_for_a_broker_grow_and_are_over_with_its_first_yes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = [100.0]
    answers = [False, False, True, False]
    monkeypatch.setattr("bridge.worker.broker_relay.time", SimpleNamespace(monotonic=lambda: at[0]))

    def publish(*_: str) -> None:
        if not answers.pop(0):
            raise ConnectionError

    relay = BrokerRelay(publish, TIMINGS.broker_backoff_seconds)
    event = make_event()
    claim = Claim(make_delivery(event), 1, "w:1", NOW)
    for pause in TIMINGS.broker_backoff_seconds[:2]:
        assert list(relay.hand_over([claim, claim])) == [claim, claim]
        at[0] += pause - 0.01
        assert relay.free_slots == 0
        at[0] += 0.02
        assert relay.free_slots > 0
    assert list(relay.hand_over([claim])) == []
    assert list(relay.hand_over([claim])) == [claim]
    at[0] += TIMINGS.broker_backoff_seconds[0] + 0.01
    assert relay.free_slots > 0, "the waits begin anew"


# -- settings


def settings(**environ: str) -> Any:
    return load_settings({f"FLOWBRIDGE_{name.upper()}": value for name, value in environ.items()})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"engine": "rabbit"},
            "FLOWBRIDGE_ENGINE: 'rabbit' is not an engine; allowed: worker, celery",
        ),
        ({"engine": "celery"}, "needs a PostgreSQL database"),
        (
            {"engine": "celery", "database_url": "postgresql://x/y"},
            "FLOWBRIDGE_BROKER_URL .* it is not set",
        ),
        (
            {"engine": "celery", "database_url": "postgresql://x/y", "broker_url": PASSWORD},
            "its value is not a URL",
        ),
    ],
)
def test_an_engine_that_cannot_be_used_is_said_without_a_secret(
    folder: Path, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        settings(**environ)
    assert PASSWORD not in str(refused.value)


def test_the_brokers_url_is_for_nobody_else(folder: Path) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    found = settings(
        engine="celery", database_url="postgresql://x/y", secret_key="k" * 32, broker_url=url
    )
    assert found.broker_url == url
    assert PASSWORD not in repr(found)
    assert PASSWORD not in str(found.flow_environ)


# -- with a broker


class Redis:
    """A redis-server that can be stopped, started and emptied."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--requirepass",
            PASSWORD,
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        until(self._answers, what="a broker")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)

    def say(self, *words: str) -> bytes:
        """Send one command and return the first of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as sock:
            sent = b""
            for command in (("AUTH", PASSWORD), words):
                sent += f"*{len(command)}\r\n".encode() + b"".join(
                    f"${len(word.encode())}\r\n{word}\r\n".encode() for word in command
                )
            sock.sendall(sent)
            answer = b""
            while answer.count(b"\r\n") < 2:
                if not (piece := sock.recv(65536)):
                    raise ConnectionError("the broker went away")
                answer += piece
            return answer.split(b"\r\n")[1]

    def _answers(self) -> bool:
        try:
            return self.say("PING") == b"+PONG"
        except OSError:
            return False


@pytest.fixture
def redis(tmp_path: Path, new_processes: None) -> Iterator[Redis]:
    if find_spec("celery") is None:
        required.skip("REDIS", "celery is not installed")
    if shutil.which("redis-server") is None:
        required.skip("REDIS", "there is no redis-server")
    redis = Redis(tmp_path)
    redis.start()
    yield redis
    redis.stop()


ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{base}", api_key: "${{env:KEY}}", user_id: fake-user, max_concurrent_runs: 200}}
routes: []
"""
SHORT = {"lease_seconds": 6.0, "heartbeat_seconds": 0.3, "broker_backoff_seconds": [0.3]}


class Machines:
    """`flowbridge work` and `flowbridge celery`, each as on a machine of its own."""

    def __init__(self, folder: Path, database: Database, redis: Redis, base: str) -> None:
        self._folder = folder
        self._routes = ROUTES.format(base=base)
        self._made = 0
        self._environ = {
            "FLOWBRIDGE_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "FLOWBRIDGE_SECRET_KEY": "k" * 32,
            "FLOWBRIDGE_ENGINE": "celery",
            "FLOWBRIDGE_BROKER_URL": redis.url,
            "KEY": "fake-key",
        }
        self.all: list[Bridge] = []

    def start(self, *command: str) -> Bridge:
        folder = self._folder / f"machine-{len(self.all)}"
        folder.mkdir()
        bridge = Bridge(folder, *command, routes=self._routes, environ=self._environ, timings=SHORT)
        self.all.append(bridge)
        bridge.start_without_waiting()
        return bridge


@pytest.fixture
def machines(
    postgresql: Database, redis: Redis, tmp_path: Path
) -> Iterator[Callable[[str], Machines]]:
    made: list[Machines] = []

    def make(base: str) -> Machines:
        made.append(Machines(tmp_path, postgresql, redis, base))
        return made[-1]

    yield make
    for each in made:
        for bridge in each.all:
            bridge.__exit__()


def started(count: int, fake: FakePlatform) -> None:
    until(lambda: len(fake.accepted) >= count, what=f"{count} starts")


def test_a_message_that_is_lost_is_sent_again_and_has_spent_nothing(
    postgresql: Database, redis: Redis, machines: Any
) -> None:
    with FakePlatform(cap=1000, run_seconds=0.05) as fake:
        fleet = machines(fake.base_url)
        ids = add_named(postgresql, 5, "one")
        fleet.start("work")
        until(lambda: int(redis.say("LLEN", "flowbridge")[1:]) >= 5, what="five messages")
        assert {one.status for one in wait(postgresql, ids, is_in("sending"))} == {"sending"}
        assert not any(attempts(postgresql, one) for one in ids), "a lease is no intent"
        redis.say("FLUSHALL")
        celery = fleet.start("celery")
        started(5, fake)
        found = wait(postgresql, ids, ended)
        assert celery.stop() == 0
    assert {(one.attempts, one.throttled) for one in found} == {(1, 0)}
    assert set(starts(fake).values()) == {1}
    said = "".join(bridge.stderr for bridge in fleet.all)
    assert PASSWORD not in said
    assert "Traceback" not in said


def test_through_every_fault_of_a_broker_and_a_killed_executor_nothing_is_lost_or_started_twice(
    postgresql: Database, redis: Redis, machines: Any
) -> None:
    with FakePlatform(cap=1000, run_seconds=0.02) as fake:
        fleet = machines(fake.base_url)
        ids = add_named(postgresql, 40, "first")
        work = fleet.start("work")
        first = fleet.start("celery")
        second = fleet.start("celery", "--concurrency", "4")
        started(20, fake)
        redis.say("FLUSHALL")

        ids += add_named(postgresql, 60, "second")
        started(60, fake)
        redis.stop()
        ids += add_named(postgresql, 20, "third")
        until(lambda: "broker_failed" in work.stderr, what="a broker that is away")
        redis.start()

        started(100, fake)
        for one in (first, second):
            os.kill(one.pid, signal.SIGSTOP)
        ids += add_named(postgresql, 60, "fourth")
        until(lambda: len(waiting(postgresql, ids)) >= 20, what="messages that wait")
        repeat(redis, waiting(postgresql, ids) * 3)
        repeat(redis, [("dlv_nothing", "x"), ("", ""), (None, 7), ({"a": 1}, [])])
        fake.faults = [3.0] * 60
        for one in (first, second):
            os.kill(one.pid, signal.SIGCONT)
        until(lambda: len(fake.starts) - len(fake.accepted) >= 10, what="calls under way")
        os.kill(first.pid, signal.SIGKILL)
        third = fleet.start("celery")
        ids += add_named(postgresql, 40, "fifth")
        found = wait(postgresql, ids, lambda one: one.status == "unknown" or ended(one))

        unknown = [one for one in found if one.status == "unknown"]
        assert set(starts(fake).values()) == {1}
        assert {one.id for one in found} - {one.id for one in unknown} <= set(starts(fake))
        assert len(unknown) <= 32, "no more than the killed one had under way"
        again = [one for one in found if one.attempts > 1]
        assert all(attempts(postgresql, one.id)[0].detail == NOT_MADE.detail for one in again), (
            "its executor was stopped before the call"
        )
        assert [bridge.process.poll() for bridge in (work, second, third)] == [None] * 3
    said = "".join(bridge.stderr for bridge in fleet.all)
    assert PASSWORD not in said
    assert slots(postgresql) == 0


def test_a_celery_worker_takes_a_changed_routes_yaml_on_by_sighup_and_by_itself(
    postgresql: Database, redis: Redis, machines: Any
) -> None:
    """The platform has moved: calls go to where it is now, by the same process."""
    with (
        FakePlatform(cap=1000, run_seconds=0.05) as fake,
        FakePlatform(cap=1000, run_seconds=0.05) as other,
    ):
        fleet = machines(fake.base_url)
        celery = fleet.start("celery")
        work = fleet.start("work")
        wait(postgresql, add_named(postgresql, 3, "one"), ended)
        for bridge in (celery, work):
            bridge.config.write_text(ROUTES.format(base=other.base_url))
        os.kill(celery.pid, signal.SIGHUP)
        for bridge in (celery, work):
            until(lambda bridge=bridge: has_taken(bridge), what="the change")
        ids = add_named(postgresql, 3, "one")
        wait(postgresql, ids, ended)
        assert (set(starts(other)), len(fake.accepted)) == (set(ids), 3)
        assert celery.process is not None
        assert (celery.process.poll(), celery.stop()) == (None, 0)


@pytest.mark.usefixtures("slow")
def test_a_message_that_is_no_task_is_set_aside_without_its_content(
    postgresql: Database, redis: Redis, machines: Any
) -> None:
    """It comes first, and the deliveries behind it are made by the same process."""
    with FakePlatform(cap=1000, run_seconds=0.05) as fake:
        fleet = machines(fake.base_url)
        publish_malformed(redis)
        for message in (CONTENT, f'{{"body": "{CONTENT}"}}'):
            redis.say("LPUSH", "flowbridge", message)
        celery = fleet.start("celery")
        fleet.start("work")
        wait(postgresql, add_named(postgresql, 3, "one"), ended)
        until(lambda: len(set_aside(celery)) == len(MALFORMED) + 2, what="every message")
        assert celery.process is not None
        assert (celery.process.poll(), celery.stop()) == (None, 0)
    assert redis.say("LLEN", "flowbridge") == b":0"
    assert redis.say("HLEN", "unacked") == b":0"
    assert CONTENT not in "".join(bridge.stderr for bridge in fleet.all)


CONTENT = "customer-4711"
BODY = f'[["{CONTENT}", "x"], {{}}, {{}}]'
#: Content type, body and headers of messages that anybody could publish who reaches the broker.
MALFORMED: list[tuple[str, str, dict[str, Any]]] = [
    ("application/data", BODY, {"task": "flowbridge.deliver", "id": CONTENT}),
    ("application/json", CONTENT, {"task": "flowbridge.deliver", "id": CONTENT}),
    ("application/json", BODY, {"task": CONTENT, "id": CONTENT}),
    ("application/json", BODY, {"other": CONTENT}),
    ("application/json", CONTENT, {"other": CONTENT}),
    ("application/x-python-serialize", BODY, {"task": "flowbridge.deliver", "id": CONTENT}),
    (CONTENT, BODY, {"task": "flowbridge.deliver", "id": CONTENT}),
]


def publish_malformed(redis: Redis) -> None:
    """Publish the malformed messages."""
    from bridge.worker.celery.app import QUEUE_NAME, make_app

    app = make_app(SimpleNamespace(broker_url=redis.url))  # type: ignore[arg-type]
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for content_type, body, headers in MALFORMED:
            producer.publish(
                body,
                routing_key=QUEUE_NAME,
                content_type=content_type,
                content_encoding="utf-8",
                headers=headers,
            )


def set_aside(bridge: Bridge) -> list[str]:
    """Return the reasons of the messages that a process has set aside."""
    return [line["reason"] for line in bridge.log if line["event"] == "message_set_aside"]


def has_taken(bridge: Bridge) -> bool:
    """Whether every process of a bridge has what the log says was read."""
    read = [line["hash"] for line in bridge.log if line["event"] == "config_reloaded"]
    return bool(read) and {
        one["config_hash"]
        for each in list_bridges(bridge.folder / "data")
        for one in each["processes"]
    } == {read[-1]}


def waiting(database: Database, ids: list[str]) -> list[tuple[str, str]]:
    """What the messages hold of deliveries that were handed over and not begun."""
    known = [get(database, one) for one in ids]
    return [
        (one.id, one.lease or "")
        for one in known
        if one.status == "sending" and not attempts(database, one.id)
    ]


def repeat(redis: Redis, messages: list[tuple[Any, Any]]) -> None:
    """Publish messages as anybody could who reaches the broker."""
    from bridge.worker.celery.app import QUEUE_NAME, TASK_NAME, make_app

    app = make_app(SimpleNamespace(broker_url=redis.url))  # type: ignore[arg-type]
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for message in messages:
            app.send_task(TASK_NAME, args=message, queue=QUEUE_NAME, producer=producer)


@pytest.mark.usefixtures("new_processes")
def test_the_command_says_what_it_needs(folder: Path) -> None:
    from command_line import run

    (folder / "routes.yaml").write_text(ROUTES.format(base="http://127.0.0.1:1/api/v1"))
    (folder / ".env").write_text("KEY=k\n")
    result = run("celery")
    assert (result.exit_code, "FLOWBRIDGE_ENGINE is not celery" in result.stderr) == (2, True)
    assert "--concurrency" in run("celery", "--help").stdout
