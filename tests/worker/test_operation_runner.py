"""Operations that real workers carry out: killed in the middle, and beside deliveries."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from admin_client import NO_CONFIG
from processes import environment, eventually, running
from records import make_delivery, make_event
from sqlalchemy import func, select

from bridge.config.settings import Settings
from bridge.core.operations import ClientRequest, Operation
from bridge.core.units import DAY
from bridge.services.operations.handlers import make_move_handler
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import control, log, operation_records
from bridge.store.tables import schema
from bridge.system.ids import operation_id
from bridge.worker.maintenance.operations import OperationRunner

pytestmark = pytest.mark.usefixtures("slow")

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, mode: paused, inputs: {n: "${body.n}"}, flow: local/echo}
"""
WHOLE = int(os.environ.get("FLOWBRIDGE_OPERATION_ITEMS", "0"))
MANY = {"sqlite": WHOLE or 3000, "postgresql": WHOLE or 600}
TOKEN = "tok_test"


def propose_replay(database: Database, ids: list[str]) -> Operation:
    now = time.time()
    request = ClientRequest(token=TOKEN, proposed_until=now + DAY)
    return log.begin(
        database,
        operation_id(now),
        command="replay",
        actor="ci",
        request={"filters": {}},
        ids=ids,
        now=now,
        client=request,
    )


def begin_cancel(database: Database, count: int, rate: str | None = None) -> Operation:
    """Begin to cancel that many new deliveries."""
    made = [make_event() for _ in range(count)]
    planned = [make_delivery(one) for one in made]
    pairs = [(one, [delivery]) for one, delivery in zip(made, planned, strict=True)]
    events.add_all(database, pairs, lambda *_: [])
    now = time.time()
    return log.begin(
        database,
        operation_id(now),
        command="cancel",
        actor="ci",
        request={"filters": {}, "to": "cancelled", "rate": rate},
        ids=[one.id for one in planned],
        now=now,
        client=ClientRequest(token=TOKEN),
    )


def make_runner(database: Database, folder: Path) -> OperationRunner:
    settings = Settings(
        config=folder / "routes.yaml",
        data=folder / "data",
        database_url="",
        bind=("127.0.0.1", 8080),
        timings=database.timings,
    )
    return OperationRunner(settings, lambda: NO_CONFIG, database, DatabaseClock(database))


def test_a_rate_needs_no_new_start_for_each_batch(sqlite: Database, tmp_path: Path) -> None:
    one = begin_cancel(sqlite, 40, "100/s")
    runner = make_runner(sqlite, tmp_path)
    began = time.monotonic()
    runner.start_due(lambda: True)
    eventually(lambda: operation_records.get(sqlite, one.seq).finished_at)
    assert time.monotonic() - began > 0.3
    runner.close()


def test_a_stopped_operation_does_no_other_item_of_a_worker_that_read_it_before(
    database: Database,
) -> None:
    one = begin_cancel(database, 3)
    handler = make_move_handler(database, one)
    assert len(log.advance(database, one, handler, time.time(), limit=1)) == 1
    control.stop(database, one, time.time())
    assert log.advance(database, one, handler, time.time(), limit=1) == []
    resumed = control.resume(database, one, "ci", time.time(), by_worker=True)
    assert len(log.advance(database, resumed, handler, time.time())) == 2
    assert operation_records.get(database, one.seq).finished_at is not None


def test_only_the_worker_that_leads_carries_out_operations(
    sqlite: Database, tmp_path: Path
) -> None:
    one = begin_cancel(sqlite, 3)
    runner = make_runner(sqlite, tmp_path)
    runner.start_due(lambda: False)
    runner.close()
    assert operation_records.get(sqlite, one.seq).done == 0
    runner = make_runner(sqlite, tmp_path)
    asked: list[bool] = []
    runner.start_due(lambda: not asked.append(True))
    eventually(lambda: operation_records.get(sqlite, one.seq).finished_at)
    runner.close()
    assert asked == [True]


def test_without_operations_the_leader_is_not_asked_for(sqlite: Database, tmp_path: Path) -> None:
    runner = make_runner(sqlite, tmp_path)
    runner.start_due(lambda: pytest.fail("there is nothing to do"))
    runner.close()


def test_two_workers_do_no_item_twice(database: Database, tmp_path: Path) -> None:
    one = begin_cancel(database, 300)
    runners = [make_runner(database, tmp_path) for _ in range(2)]

    def has_ended() -> bool:
        for runner in runners:  # as a worker does at each beat
            runner.start_due(lambda: True)
        return operation_records.get(database, one.seq).finished_at is not None

    eventually(has_ended)
    for runner in runners:
        runner.close()
    ended = operation_records.get(database, one.seq)
    assert (ended.done, ended.refused) == (300, 0)


def count_planned(database: Database) -> Counter[str]:
    """Return how many deliveries each event has."""
    query = select(schema.delivery.c.event_id, func.count()).group_by(schema.delivery.c.event_id)
    with database.read() as connection:
        return Counter({row[0]: row[1] for row in connection.execute(query).all()})


@pytest.fixture
def environ(database: Database, tmp_path: Path) -> dict[str, str]:
    """The environment of a worker in a folder with routes.yaml, on that store."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    return environment(
        FLOWBRIDGE_DATABASE_URL=database.url.render_as_string(hide_password=False),
        FLOWBRIDGE_SECRET_KEY="k" * 40,
        FLOWBRIDGE_LOCAL_API_KEY="a" * 40,
        FLOWBRIDGE_LOCAL_USER_ID="u" * 20,
        NOT_SET="s",
    )


@pytest.mark.usefixtures("new_processes")
def test_killed_workers_do_each_item_exactly_once(
    database: Database, tmp_path: Path, environ: dict[str, str]
) -> None:
    many = MANY[database.engine.dialect.name]
    made = [make_event() for _ in range(many)]
    events.add_all(database, [(one, []) for one in made], lambda *_: [])
    ids = [one.id for one in made]
    one = propose_replay(database, ids)
    assert control.list_work(database) == []
    agreed = control.agree(database, one, TOKEN, time.time())
    assert agreed is not None

    def done() -> int:
        return operation_records.get(database, one.seq).done

    for _ in range(2):
        before = done()
        with running(tmp_path, "work", environ=environ) as process:
            eventually(lambda: done() > before)  # noqa: B023 - called before the loop goes on
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert before < done() < many
        eventually(lambda: count_planned(database).total() == done())  # a commit under way ends
    with running(tmp_path, "work", environ=environ):
        while (before := done()) < many:  # it goes on, however long all of them take
            eventually(lambda: done() > before)
        eventually(lambda: operation_records.get(database, one.seq).finished_at)
    ended = operation_records.get(database, one.seq)
    assert (ended.done, ended.refused, ended.left) == (many, 0, 0)
    assert count_planned(database) == Counter(ids)
    items = list(operation_records.list_items(database, ended))
    assert [item.item_id for item in items] == ids
    assert len({made for item in items for made in item.made}) == many
