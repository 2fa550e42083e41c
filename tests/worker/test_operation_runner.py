"""Operations that real workers carry out: killed in the middle, and beside deliveries."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import environment, eventually, running
from records import make_event
from sqlalchemy import func, select

from bridge.core.operations import Operation, OperationRequest
from bridge.core.times import DAY
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import control, log
from bridge.store.tables import schema
from bridge.system.ids import operation_id

pytestmark = pytest.mark.slow

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - {name: triage, on: github issues, mode: paused, inputs: {n: "${body.n}"}, flow: local/echo}
"""
MANY = 3000
TOKEN = "tok_test"


def propose_replay(database: Database, ids: list[str]) -> Operation:
    now = time.time()
    request = OperationRequest(token=TOKEN, proposed_until=now + DAY)
    return log.begin(
        database,
        operation_id(now),
        command="replay",
        actor="ci",
        asked={"filters": {}},
        ids=ids,
        now=now,
        request=request,
    )


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


def test_killed_workers_do_each_item_exactly_once(
    database: Database, tmp_path: Path, environ: dict[str, str]
) -> None:
    made = [make_event() for _ in range(MANY)]
    events.add_all(database, [(one, []) for one in made], lambda *_: [])
    ids = [one.id for one in made]
    one = propose_replay(database, ids)
    assert control.list_work(database) == []
    agreed = control.agree(database, one, TOKEN, time.time())
    assert agreed is not None

    def done() -> int:
        return log.get(database, one.seq).done

    for _ in range(2):
        before = done()
        with running(tmp_path, "work", environ=environ) as process:
            eventually(lambda: done() > before)  # noqa: B023 - called before the loop goes on
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert before < done() < MANY
        assert count_planned(database).total() == done()
    with running(tmp_path, "work", environ=environ):
        eventually(lambda: log.get(database, one.seq).finished_at)
    ended = log.get(database, one.seq)
    assert (ended.done, ended.refused, ended.left) == (MANY, 0, 0)
    assert count_planned(database) == Counter(ids)
    items = list(log.list_items(database, ended))
    assert [item.item_id for item in items] == ids
    assert len({made for item in items for made in item.made}) == MANY
