"""The worker with real stores and real sockets: what starts, what is tried again, what is held, and
what outlives it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from forking import parent
from servers import (
    FakePlatform,
    Misbehaving,
    cut_off,
    drop,
    garbage,
    refusing,
    reset,
    respond,
    slow_headers,
)
from serving import is_alive, until
from sqlalchemy import select
from worker_bench import (
    LOCAL,
    QUICK,
    add,
    attempts,
    begun,
    configured,
    ended,
    get,
    gumloop,
    host_of,
    is_in,
    made,
    run_of,
    slots,
    slow_flow,
    start_run,
    wait,
    working,
)

from bridge.config.settings import Settings, load_settings
from bridge.core.circuit_state import Circuit
from bridge.core.errors import BridgeError, StoreError
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Retry, Status
from bridge.core.timings import Timings
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.flows import flow
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.routing.model import Mode, Platform, Route
from bridge.store.db.database import Database
from bridge.store.db.notify import WakeupListener
from bridge.store.local import runs
from bridge.store.queue import ledger, throttling
from bridge.store.tables import schema
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.system.wakeup import Wake
from bridge.worker import cycle
from bridge.worker.worker import Worker

pytestmark = [pytest.mark.timings(**QUICK), pytest.mark.usefixtures("quick_polling")]


# -- what goes well


def test_a_delivery_is_started_and_followed_to_its_end(database: Database) -> None:
    with FakePlatform(run_seconds=0.1) as fake, working(database, configured(gumloop(fake))):
        (one,) = wait(database, add(database, inputs={"title": "Bug"}), ended)
        start = fake.starts[0]
    assert (one.status, one.run_state, one.raw_state, one.attempts, one.throttled) == (
        "delivered",
        "done",
        "DONE",
        1,
        0,
    )
    assert (one.run_id, one.outputs) == (start.run_id, {"title": "Bug"})
    assert one.run_url.startswith("https://www.gumloop.com/")
    assert (start.json, start.headers["authorization"]) == (
        {"title": "Bug", "user_id": "fake-user", "saved_item_id": "q3da"},
        "Bearer fake-key",
    )
    # which the platform tells in milliseconds
    assert one.created_at <= one.delivered_at and one.created_at <= one.finished_at + 0.001
    (attempt,) = attempts(database, one.id)
    assert (attempt.number, attempt.outcome, attempt.status_code, attempt.run_id) == (
        1,
        "started",
        200,
        one.run_id,
    )
    assert slots(database) == 0


def test_a_run_that_fails_is_delivered_with_its_log(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, working(sqlite, configured(gumloop(fake))):
        (one,) = wait(sqlite, add(sqlite, saved_item_id="always-fails"), ended)
    assert (one.status, one.run_state, one.outputs) == ("delivered", "failed", {})
    assert one.log == ("Node failed: as it always does",)
    assert slots(sqlite) == 0


def test_outputs_nested_deeper_than_anything_can_write_hurt_nobody(sqlite: Database) -> None:
    deep = b'{"state":"DONE","outputs":' + b"[" * 900 + b"]" * 900 + b"}"
    with Misbehaving() as server, working(sqlite, configured(gumloop(url=server.url))):
        server.script("/start_pipeline", respond(200, {"run_id": "r1"}))
        server.script("/get_pl_run", respond(200, deep))
        (one,) = wait(sqlite, add(sqlite), ended)
    assert one.run_state == "done"


# -- limits


def test_a_burst_over_the_cap_all_starts_with_one_attempt_each(database: Database) -> None:
    with FakePlatform(cap=5, run_seconds=0.1) as fake, working(database, configured(gumloop(fake))):
        found = wait(database, add(database, 30), ended)
    assert fake.peak <= 5
    assert len(fake.starts) == len(fake.accepted) == 30
    assert {(one.attempts, one.throttled, one.run_state) for one in found} == {(1, 0, "done")}


def test_a_platform_that_others_use_too_throttles_and_nothing_is_spent(database: Database) -> None:
    with FakePlatform(cap=2, run_seconds=0.1) as fake, working(database, configured(gumloop(fake))):
        fake.others = 2
        ids = add(database, 10, retry=Retry(1, 0.02, 0.1))
        until(
            lambda: any(start.status == 429 for start in fake.starts),
            what="a start that is put off",
        )
        fake.others = 0
        found = wait(database, ids, ended)
    assert fake.peak <= 2
    assert len(fake.accepted) == 10
    assert {one.attempts for one in found} == {1}
    assert (
        sum(one.throttled for one in found) == sum(start.status == 429 for start in fake.starts) > 0
    )


def test_no_more_calls_are_under_way_than_there_are_threads_for(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "MAX_CALLS", 2)
    ids = add(sqlite, 5)
    over = threading.Event()

    def send(_call: Call, _deadline: Deadline) -> NoAnswer:
        over.wait(60)
        return NoAnswer("over", sent=False)

    worker = made(sqlite, configured(gumloop(url="http://127.0.0.1:9")), send=send)
    try:
        for _ in range(5):
            worker._cycle.turns.beat_at = 0.0  # each step is a turn, though nothing has ended
            worker.step()
        assert [get(sqlite, one).status for one in ids].count(Status.SENDING) == 2
    finally:
        over.set()
        worker.stop()
        worker.run()


@pytest.mark.timings(heartbeat_seconds=3600.0)
def test_an_idle_worker_writes_nothing_between_heartbeats(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = made(sqlite, configured())
    writes = []
    write = sqlite.write
    worker.step()  # the first heartbeat
    monkeypatch.setattr(sqlite, "write", lambda work: writes.append(work) or write(work))
    worker.step()
    assert writes == []


def test_what_a_route_has_had_counts_for_the_next_turn(sqlite: Database) -> None:
    for route in ("first", "second"):
        add(sqlite, 3, route)
    worker = made(
        sqlite,
        configured(gumloop(url="http://127.0.0.1:9", max_concurrent_runs=1)),
        send=lambda *_: NoAnswer("over", sent=False),
    )
    worker.step()
    assert worker._cycle.turns.shares.order("gumloop", ["first", "second"]) == ["second", "first"]
    worker.stop()
    worker.run()


def test_retry_after_is_honoured(sqlite: Database) -> None:
    with FakePlatform(cap=0, retry_after="1") as fake, working(sqlite, configured(gumloop(fake))):
        (one,) = wait(sqlite, add(sqlite), lambda one: one.throttled >= 1)
        fake.cap = 5
        wait(sqlite, [one.id], is_in("delivered"))
    times = [start.at for start in fake.starts]
    assert len(times) >= 2 and all(later - earlier >= 1.0 for earlier, later in pairwise(times))


def test_a_long_queue_of_one_route_does_not_hold_up_another(sqlite: Database) -> None:
    with FakePlatform(cap=2, run_seconds=0.1) as fake:
        many = add(sqlite, 20, "many")
        one = add(sqlite, 1, "one")
        with working(sqlite, configured(gumloop(fake, max_concurrent_runs=2))):
            (first,) = wait(sqlite, one, is_in("delivered"))
            wait(sqlite, many, ended)
    assert first.run_id in [start.run_id for start in fake.accepted[:4]]


def test_what_is_paused_or_has_no_platform_waits(sqlite: Database) -> None:
    paused = Route(name="paused", source="x", flow=None, reshape=lambda _: {}, mode=Mode.PAUSED)  # type: ignore[arg-type]
    with FakePlatform() as fake, working(sqlite, configured(gumloop(fake), routes=(paused,))):
        waiting = [
            *add(sqlite, 1, "paused"),
            *add(sqlite, 1, platform="gone"),
            *add(sqlite, 1, status=Status.SHADOW),
        ]
        wait(sqlite, add(sqlite), is_in("delivered"))
        assert [get(sqlite, one).status for one in waiting] == ["queued", "queued", "shadow"]
        assert len(fake.starts) == 1


# -- what goes wrong


@pytest.mark.parametrize(
    ("reply", "is_silent"),
    [
        (slow_headers(60), True),
        (drop, False),
        (reset, False),
        (garbage(), False),
        (cut_off(200, b'{"run_id": "abc'), False),
        (respond(200, b"<html>welcome</html>"), False),
        (respond(200, {}), False),
        (respond(201, {"run_id": 7}), False),
        (respond(500, {"error": "internal"}), False),
        (respond(502, b"bad gateway"), False),
        (respond(503, b""), False),
        (respond(504, b""), False),
        (respond(408, b""), False),
        (respond(100, b""), True),
    ],
    ids=[
        "timeout",
        "closed",
        "reset",
        "no HTTP",
        "cut off",
        "a page",
        "no run id",
        "odd run id",
        "500",
        "502",
        "503",
        "504",
        "408",
        "100",
    ],
)
def test_a_start_that_may_have_happened_is_held_and_never_made_again(
    sqlite: Database, reply: Any, is_silent: bool
) -> None:
    with Misbehaving() as server:
        present = [configured(gumloop(url=server.url, timeout=1.0 if is_silent else 60.0))]
        with working(sqlite, lambda: present[0]):
            server.script("/start_pipeline", reply)
            (one,) = wait(sqlite, add(sqlite), is_in("unknown"))
            present[0] = configured(gumloop(url=server.url))
            # Another one after it shows that the worker has gone on and that the slot is free.
            server.script("/start_pipeline", respond(200, {"run_id": "r2"}))
            server.script("/get_pl_run", respond(200, {"state": "DONE", "outputs": {}}))
            wait(sqlite, add(sqlite), ended)
            assert len([each for each in server.received if each.path == "/start_pipeline"]) == 2
    one = get(sqlite, one.id)
    assert (one.status, one.attempts, one.run_id) == ("unknown", 1, None)
    assert one.reason
    assert "fake-key" not in one.reason
    assert [each.outcome for each in attempts(sqlite, one.id)] == ["unknown"]


def test_a_start_on_postgresql_that_may_have_happened_is_held(database: Database) -> None:
    with FakePlatform() as fake, working(database, configured(gumloop(fake))):
        fake.faults = ["drop"]
        (one,) = wait(database, add(database), is_in("unknown"))
        assert (one.attempts, len(fake.starts), slots(database)) == (1, 1, 0)


def test_what_certainly_did_not_start_is_tried_again_until_it_is_given_up(sqlite: Database) -> None:
    with refusing() as port, working(sqlite, configured(gumloop(url=f"http://127.0.0.1:{port}"))):
        (one,) = wait(sqlite, add(sqlite), is_in("dead"))
    assert one.attempts == 3
    assert "gave up after 3 attempts" in (one.reason or "")
    assert "refused" in (one.reason or "")
    assert [each.outcome for each in attempts(sqlite, one.id)] == ["refused"] * 3


def test_a_refused_connection_is_tried_again_and_starts_once(database: Database) -> None:
    sender = HttpClient()
    fails = [True, True]

    def send(call: Any, deadline: Deadline) -> Any:
        if fails:
            fails.pop()
            return sender.send(replace(call, url=call.url.replace(f":{fake.port}", ":1")), deadline)
        return sender.send(call, deadline)

    with (
        FakePlatform(run_seconds=0.05) as fake,
        working(database, configured(gumloop(fake)), send=send),
    ):
        (one,) = wait(database, add(database), ended)
    assert (one.attempts, len(fake.starts)) == (3, 1)
    waits = [
        later.started_at - earlier.finished_at
        for earlier, later in zip(
            attempts(database, one.id), attempts(database, one.id)[1:], strict=False
        )
    ]
    assert all(wait >= 0.002 for wait in waits)


def known_of(database: Database) -> dict[str, Circuit]:
    with database.read() as connection:
        return throttling.read_circuits(connection)


def test_refused_credentials_hold_the_platform_until_the_configuration_has_others(
    database: Database,
) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        present = [configured(gumloop(fake, api_key="revoked"))]
        with working(database, lambda: present[0]):
            ids = add(database, 12)
            until(lambda: known_of(database), what="a circuit")
            until(lambda: not slots(database), what="the answers to the calls that were under way")
            assert known_of(database)["gumloop"].is_unauthorized
            refused = len(fake.starts)
            assert {start.status for start in fake.starts} == {401} and refused <= 5
            assert {get(database, one).status for one in ids} == {Status.QUEUED}
            present[0] = configured(gumloop(fake, api_key="fake-key"))
            found = wait(database, ids, ended)
    assert len(fake.accepted) == 12 and len(fake.starts) == 12 + refused
    assert {one.attempts for one in found} == {1} and sum(one.throttled for one in found) == refused
    assert known_of(database) == {}


def test_a_worker_that_starts_tries_refused_credentials_again(sqlite: Database) -> None:
    now = time.time()
    refused = Circuit(platform="gumloop", open_for=900.0, open_until=now + 900, reason="HTTP 401")
    sqlite.write(
        lambda connection: throttling.write_circuits(connection, {}, {"gumloop": refused}, now)
    )
    with FakePlatform(run_seconds=0.05) as fake, working(sqlite, configured(gumloop(fake))):
        wait(sqlite, add(sqlite), ended)
    assert known_of(sqlite) == {}


def test_a_403_concerns_the_delivery_alone(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, working(sqlite, configured(gumloop(fake))):
        fake.faults = [403]
        (one,) = wait(sqlite, add(sqlite), is_in("dead"))
        wait(sqlite, add(sqlite, 3), ended)
    assert "HTTP 403" in (one.reason or "") and len(fake.accepted) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_rejected_start_is_dead_with_the_platforms_words(sqlite: Database, status: int) -> None:
    with Misbehaving() as server, working(sqlite, configured(gumloop(url=server.url))):
        server.script(
            "/start_pipeline",
            respond(
                status,
                {"error": "invalid_flow", "message": "flow q3da is not yours, Bearer fake-key"},
            ),
        )
        (one,) = wait(sqlite, add(sqlite), is_in("dead"))
    assert one.attempts == 1
    assert f"HTTP {status} invalid_flow: flow q3da is not yours" in (one.reason or "")
    assert "fake-key" not in (one.reason or "")
    assert one.finished_at


def test_an_idempotent_platform_is_called_again_with_the_same_key(sqlite: Database) -> None:
    with Misbehaving() as server:
        url = server.script("/hook", drop, respond(500), reset, respond(200))
        platform = Platform(name="mine", type="http", base_url=url, timeout=60.0)
        with working(sqlite, configured(platform)):
            (one,) = wait(
                sqlite,
                add(sqlite, platform="mine", on_unknown="retry", retry=Retry(5, 0.02, 0.05)),
                is_in("delivered"),
            )
        assert [each.headers["idempotency-key"] for each in server.received] == [one.id] * 4
    assert (one.attempts, one.run_id, one.run_state) == (4, None, None)
    assert slots(sqlite) == 0


def test_a_fault_in_a_call_is_unknown_and_the_worker_goes_on(sqlite: Database) -> None:
    sender = HttpClient()
    faults = [True]

    def send(call: Any, deadline: Deadline) -> Any:
        if faults and faults.pop():
            raise ZeroDivisionError("a fault of our own")
        return sender.send(call, deadline)

    with (
        FakePlatform(run_seconds=0.05) as fake,
        working(sqlite, configured(gumloop(fake)), send=send),
    ):
        (one,) = wait(sqlite, add(sqlite), is_in("unknown"))
        wait(sqlite, add(sqlite), ended)
    assert "because of a bug in flowbridge" in (one.reason or "")


def test_a_run_that_never_ends_gives_its_slot_back_and_says_so(sqlite: Database) -> None:
    with (
        FakePlatform(run_seconds=60) as fake,
        working(sqlite, configured(gumloop(fake, max_concurrent_runs=1))),
    ):
        first, second = add(sqlite, 2, run_timeout=0.3)
        wait(sqlite, [second], is_in("delivered"))
        one = get(sqlite, first)
    assert (one.status, one.run_state) == ("delivered", "running")
    assert "not seen to end" in (one.reason or "")


def test_a_look_that_fails_is_made_again(sqlite: Database) -> None:
    with Misbehaving() as server, working(sqlite, configured(gumloop(url=server.url))):
        server.script("/start_pipeline", respond(200, {"run_id": "r1"}))
        server.script(
            "/get_pl_run",
            respond(500),
            drop,
            garbage(),
            respond(200, b"<"),
            respond(429),
            respond(200, {"state": "DONE", "outputs": {"a": 1}}),
        )
        (one,) = wait(sqlite, add(sqlite), ended)
    assert one.outputs == {"a": 1}


def test_a_store_that_fails_costs_time_and_no_result(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While every write fails, an answer comes in; it is written down once they work again, and
    nothing is started twice.
    """
    broken = threading.Event()
    write = sqlite.write
    failed = threading.Event()

    def failing(work: Any) -> Any:
        if broken.is_set():
            failed.set()
            raise StoreError("OperationalError: database or disk is full")
        return write(work)

    monkeypatch.setattr(sqlite, "write", failing)
    with FakePlatform(run_seconds=0.05) as fake, working(sqlite, configured(gumloop(fake))):
        fake.faults = [0.2]
        (one,) = add(sqlite)
        until(lambda: fake.starts, what="a start")
        broken.set()
        until(lambda: fake.accepted, what="a run")
        assert failed.wait(60)
        broken.clear()
        wait(sqlite, [one], ended)
        assert len(fake.starts) == 1


def test_a_result_that_cannot_be_written_holds_up_no_other(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in writing one result: the others are written, the worker goes on, and the one is
    settled when its lease has run out.
    """
    record = ledger.record_attempts
    with FakePlatform(cap=5, run_seconds=0.05) as fake:
        config = configured(gumloop(fake))
        bad, *good = add(sqlite, 4)

        def failing(connection: Any, settled: Any, now: float, *, jitter: float) -> Any:
            if any(
                each.claim.delivery.id == bad and each.outcome.kind == "started" for each in settled
            ):
                raise ZeroDivisionError("a fault of our own")
            return record(connection, settled, now, jitter=jitter)

        monkeypatch.setattr("bridge.store.queue.ledger.record_attempts", failing)
        with working(sqlite, config) as worker:
            wait(sqlite, good, ended)
            until(lambda: bad not in worker._cycle.turns.held, what="the loss of the result")
            end_leases(sqlite)
            (one,) = wait(sqlite, [bad], is_in("unknown"))
        assert one.reason == WORKER_DIED.detail
        assert len(fake.starts) == 4


# -- the end of a worker


def test_a_worker_told_to_stop_finishes_what_it_began_and_hands_back_the_rest(
    sqlite: Database,
) -> None:
    with FakePlatform(cap=50, run_seconds=600) as fake:
        fake.faults = [0.1] * 50
        ids = add(sqlite, 50)
        with working(sqlite, configured(gumloop(fake, max_concurrent_runs=50))):
            until(lambda: fake.starts, what="a start")
        found = [get(sqlite, one) for one in ids]
    delivered = [one for one in found if one.status == "delivered"]
    assert {one.status for one in found} <= {"delivered", "queued"}
    assert len(delivered) == len(fake.accepted) == len(fake.starts)
    assert all(
        not attempts(sqlite, one.id) and one.attempts == 0 and one.lease is None
        for one in found
        if one.status == "queued"
    )
    assert slots(sqlite) == len(delivered)
    with sqlite.read() as connection:
        assert connection.execute(select(schema.worker)).all() == []


def test_a_worker_told_to_stop_hands_back_its_looks_and_tells_the_others(
    database: Database,
) -> None:
    """Its looks hang. Whoever else works may look at once, and on PostgreSQL is woken."""
    looks = threading.Event()
    go_on = threading.Event()
    heard = threading.Event()
    sender = HttpClient()

    def send(call: Call, deadline: Deadline) -> Answer | NoAnswer:
        if "start_pipeline" not in call.url:
            looks.set()
            go_on.wait(60)
        return sender.send(call, deadline)

    listener = WakeupListener(database, heard.set)
    listener.start()
    try:
        with (
            FakePlatform(run_seconds=60) as fake,
            working(database, configured(gumloop(fake)), send=send),
        ):
            (one,) = add(database)
            until(looks.is_set, what="a look")
            if not database.is_sqlite:
                until(heard.is_set, what="one who listens")
                heard.clear()
        with database.read() as connection:
            poll_at = connection.execute(
                select(schema.delivery.c.poll_at).where(schema.delivery.c.id == one)
            ).scalar_one()
        assert poll_at < time.time() + database.timings.lease_seconds
        assert database.is_sqlite or heard.wait(60)
    finally:
        go_on.set()
        listener.close()


@pytest.mark.timings(drain_seconds=0.2)
def test_what_does_not_end_in_time_is_unknown(sqlite: Database) -> None:
    with Misbehaving() as server:
        server.script("/start_pipeline", slow_headers(30))
        with working(sqlite, configured(gumloop(url=server.url, timeout=30.0))):
            (one,) = add(sqlite)
            until(lambda: server.received, what="a call")
        assert "was stopped while the call was under way" in (get(sqlite, one).reason or "")
    assert get(sqlite, one).status == "unknown"


WORKER = """
from worker_bench import configured, gumloop, made
from bridge.routing.model import Platform
from bridge.store.db.database import Database
platforms = [gumloop(url={gumloop!r}, timeout=120.0), Platform(name="mine", type="http", base_url={http!r}, timeout=120.0)]
made(Database({url!r}), configured(*platforms)).run()
"""


def end_leases(database: Database) -> None:
    """Let all leases run out now."""
    with database.engine.begin() as connection:
        connection.execute(schema.delivery.update().values(lease_until=time.time() - 1.0))


@pytest.mark.usefixtures("new_processes")
def test_a_killed_workers_deliveries_are_taken_over(database: Database, tmp_path: Path) -> None:
    """kill -9 in the middle of three calls: what may have started is unknown, what may be repeated
    is repeated.
    """
    with Misbehaving() as server:
        server.script("/start_pipeline", slow_headers(120))
        http = server.script("/hook", slow_headers(120), respond(200))
        url = database.url.render_as_string(hide_password=False)
        program = WORKER.format(gumloop=server.url, http=http, url=url)
        process = parent().execute(program, os.environ, tmp_path)
        try:
            ids = [
                *add(database, 2),
                *add(database, 1, "hook", platform="mine", on_unknown="retry"),
            ]
            until(lambda: len(server.received) == 3, what="three calls")
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.wait(60)
        end_leases(database)
        with working(
            database,
            configured(
                gumloop(url=server.url),
                Platform(name="mine", type="http", base_url=http, timeout=60.0),
            ),
        ):
            first, second, third = wait(database, ids, is_in("unknown", "delivered"))
        assert [one.status for one in (first, second, third)] == ["unknown", "unknown", "delivered"]
        assert "died while the call was under way" in (first.reason or "")
        assert (first.attempts, third.attempts) == (1, 2)
        keys = [each.headers["idempotency-key"] for each in server.received if each.path == "/hook"]
        assert keys == [third.id] * 2
        assert len([each for each in server.received if each.path == "/start_pipeline"]) == 2
    assert slots(database) == 0


@contextmanager
def patient(database: Database) -> Iterator[Database]:
    """The same store as a worker has it whose leases are long."""
    url = database.url.render_as_string(hide_password=False)
    elsewhere = Database(url, timings=replace(database.timings, lease_seconds=60.0))
    try:
        yield elsewhere
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    "timings",
    [Timings(**QUICK, lease_seconds=0.3), Timings(**QUICK, lease_seconds=60.0)],
    ids=["lease", "time"],
)
def test_a_worker_that_stood_still_makes_no_call(
    database: Database, monkeypatch: pytest.MonkeyPatch, timings: Timings
) -> None:
    """Its machine is suspended when the intent is on disk and the call about to be made; meanwhile
    another worker takes over.
    """
    outlived = "lease" if timings.lease_seconds < 60.0 else "time"
    with FakePlatform(run_seconds=0.02) as fake:
        config = configured(gumloop(fake, timeout=60.0 if outlived == "lease" else 0.3))
        first = made(database, config)
        suspended = list[Callable[[], None]]()
        monkeypatch.setattr(first._cycle.calls, "submit", lambda _id, call: suspended.append(call))
        [one] = add(database, on_unknown="retry")
        first.step()
        assert len(suspended) == 1
        began_at = attempts(database, one)[0].started_at
        until(
            lambda: first._cycle.now() > began_at + 0.3,
            what="the lease, or the time of the call, to run out",
        )
        if outlived == "lease":
            with patient(database) as elsewhere, working(elsewhere, configured(gumloop(fake))):
                wait(database, [one], ended)
        suspended[0]()
        first.step()
        assert len(fake.starts) == (1 if outlived == "lease" else 0)
    kept = attempts(database, one)
    assert (kept[0].outcome, "suspended" in kept[0].detail) == ("refused", True)
    assert get(database, one).status == ("delivered" if outlived == "lease" else "queued")


def test_two_workers_start_each_delivery_once(database: Database) -> None:
    with FakePlatform(cap=8, run_seconds=0.02) as fake:
        config = configured(gumloop(fake, max_concurrent_runs=8))
        with working(database, config), working(database, config):
            found = wait(database, add(database, 40), ended)
    assert len(fake.starts) == 40
    assert {one.attempts for one in found} == {1}
    assert fake.peak <= 8


# -- the runs of the embedded platform


@flow
def odd_text() -> dict[str, str]:
    print("not \udcff UTF-8")  # noqa: T201
    return {"a": "b"}


@flow
def leaves() -> None:
    sys.exit("gone")


@pytest.mark.usefixtures("new_processes")
def test_local_runs_are_executed_whatever_they_do(database: Database, tmp_path: Path) -> None:
    flows = READY_FLOWS | {"odd_text": odd_text, "leaves": leaves}
    with working(database, configured(LOCAL), flows, data=tmp_path):
        names = {
            name: start_run(database, name, '{"x": 1}')
            for name in ("echo", "fail", "odd_text", "leaves", "gone")
        }
        until(
            lambda: all(
                run_of(database, one).state in ("DONE", "FAILED") for one in names.values()
            ),
            what="all runs' ends",
        )
    states = {name: run_of(database, one).state.value for name, one in names.items()}
    assert states == {
        "echo": "DONE",
        "fail": "FAILED",
        "odd_text": "DONE",
        "leaves": "FAILED",
        "gone": "FAILED",
    }
    assert run_of(database, names["echo"]).outputs == {"x": 1}
    assert "flow 'gone' no longer exists" in run_of(database, names["gone"]).log[0]


def peak(spans: list[tuple[float, float]]) -> int:
    """How many of the spans there were at once at most."""
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    counts = [sum(step for _, step in moments[: at + 1]) for at in range(len(moments))]
    return max(counts)


@pytest.mark.usefixtures("new_processes")
def test_no_more_local_runs_at_once_than_the_cap(database: Database, tmp_path: Path) -> None:
    """Two workers share the cap. The first run goes on until there is a second."""

    @flow
    def busy() -> dict[str, float]:
        began = time.time()
        (tmp_path / f"begun-{os.getpid()}").touch()
        until(lambda: len(begun(tmp_path)) >= 2, what="a second run")
        time.sleep(0.05)
        return {"began": began, "ended": time.time()}

    with (
        working(database, configured(LOCAL), {"busy": busy}, data=tmp_path),
        working(database, configured(LOCAL), {"busy": busy}, data=tmp_path),
    ):
        ids = [start_run(database, "busy") for _ in range(12)]
        until(
            lambda: all(run_of(database, one).state == "DONE" for one in ids), what="all runs' ends"
        )
    outputs = [run_of(database, one).outputs for one in ids]
    assert 2 <= peak([(one["began"], one["ended"]) for one in outputs]) <= 4


@pytest.mark.usefixtures("new_processes")
@pytest.mark.timings(drain_seconds=50.0)
def test_a_run_under_way_when_the_worker_stops_is_finished(
    sqlite: Database, tmp_path: Path
) -> None:
    with working(sqlite, configured(LOCAL), {"slow": slow_flow(tmp_path, 0.4)}, data=tmp_path):
        run_id = start_run(sqlite, "slow")
        until(lambda: begun(tmp_path), what="a run")
    assert run_of(sqlite, run_id).state == "DONE"


@pytest.mark.usefixtures("new_processes")
@pytest.mark.timings(drain_seconds=0.1)
def test_a_run_that_does_not_end_in_time_has_failed_and_is_gone(
    sqlite: Database, tmp_path: Path
) -> None:
    with working(sqlite, configured(LOCAL), {"slow": slow_flow(tmp_path, 600)}, data=tmp_path):
        run_id = start_run(sqlite, "slow")
        (found,) = until(lambda: begun(tmp_path), what="a run")
    until(lambda: not is_alive(int(found.name.partition("-")[2])), what="the end of its process")
    run = run_of(sqlite, run_id)
    assert (run.state, run.log) == ("FAILED", ("The run was interrupted: flowbridge was stopped.",))


@pytest.mark.usefixtures("new_processes")
@pytest.mark.timings(drain_seconds=0.1)
def test_an_interrupted_run_is_run_again_only_where_its_flow_says_so(
    sqlite: Database, tmp_path: Path
) -> None:
    flows = {
        "once": slow_flow(tmp_path, 600, "once"),
        "again": slow_flow(tmp_path, 600, "again", idempotent=True),
    }
    with working(sqlite, configured(LOCAL), flows, data=tmp_path):
        ids = {name: start_run(sqlite, name) for name in flows}
        until(lambda: len(begun(tmp_path)) == 2, what="two runs")
    once = run_of(sqlite, ids["once"])
    again = run_of(sqlite, ids["again"])
    assert (once.state, once.log) == (
        "FAILED",
        ("The run was interrupted: flowbridge was stopped.",),
    )
    assert (again.state, again.log) == (
        "QUEUED",
        (f"The run was interrupted: flowbridge was stopped. {runs.RUN_AGAIN_NOTE}",),
    )
    with working(
        sqlite, configured(LOCAL), {"again": slow_flow(tmp_path, 0, "again")}, data=tmp_path
    ):
        until(lambda: run_of(sqlite, ids["again"]).state == "DONE", what="the second time")
    assert run_of(sqlite, ids["again"]).log == again.log, "its log says that it was run twice"


@pytest.mark.usefixtures("new_processes")
@pytest.mark.timings(drain_seconds=50.0)
def test_queued_runs_are_still_there_after_a_stop(sqlite: Database, tmp_path: Path) -> None:
    """More runs than the worker has begun: none is lost and none fails by the stop."""
    go_on = tmp_path / "go on"

    @flow
    def slow() -> None:
        (tmp_path / f"begun-{os.getpid()}").touch()
        until(go_on.exists, what="the word to go on")

    flows = {"slow": slow}
    ids = [start_run(sqlite, "slow") for _ in range(12)]
    with working(sqlite, configured(LOCAL), flows, data=tmp_path) as worker:
        until(lambda: begun(tmp_path), what="a run")
        worker.stop()
        go_on.touch()
    assert {run_of(sqlite, one).state.value for one in ids} == {"DONE", "QUEUED"}
    with working(sqlite, configured(LOCAL), flows, data=tmp_path):
        until(
            lambda: all(run_of(sqlite, one).state == "DONE" for one in ids), what="all runs' ends"
        )


@pytest.mark.usefixtures("new_processes")
def test_the_end_of_the_flow_host_ends_the_worker_so_that_it_is_made_anew(
    sqlite: Database, tmp_path: Path
) -> None:
    settings: Settings = load_settings(
        {"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)},
        timings=Timings(drain_seconds=50.0),
    )
    host = host_of({"slow": slow_flow(tmp_path, 0.5)})
    worker = Worker(settings, lambda: configured(LOCAL), sqlite, HttpClient().send, Wake(), host)
    ended: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except BridgeError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    run_id = start_run(sqlite, "slow")
    until(lambda: begun(tmp_path), what="a run")
    os.kill(host.pid, signal.SIGKILL)
    thread.join(60)
    assert not thread.is_alive()
    assert "flow host died" in str(ended)
    assert run_of(sqlite, run_id).state == "DONE", "what was under way was finished first"
