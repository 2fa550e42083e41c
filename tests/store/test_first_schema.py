"""Tests of the upgrade from the first release's schema: no data is lost, all work continues."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic_settings import scripts
from records import NOW, make_event
from sqlalchemy import MetaData, insert, inspect, select

from bridge.core.local_runs import LocalState
from bridge.core.model import DeadKind, RunState
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup
from bridge.store.queries import configs, event_lookup
from bridge.store.queue import claims, ledger
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema as table_schema

BODY = b'{"action":"opened","n":1}'
SHA = hashlib.sha256(BODY).hexdigest()
PLANNED = {
    "event_id": "evt_1",
    "route": "triage",
    "flow": "local/echo",
    "platform": "local",
    "saved_item_id": "echo",
    "created_at": NOW,
    "due_at": NOW,
    "config_hash": "c" * 64,
    "retry_attempts": 12,
    "retry_first": 5.0,
    "retry_max": 21600.0,
    "on_unknown": "hold",
    "run_timeout": 3600.0,
    "inputs": '{"title":"one"}',
}
CALLED = {"attempts": 1, "status": "delivered", "delivered_at": NOW, "run_url": "https://x/run"}
LEASED = {"status": "sending", "lease": "old", "lease_until": NOW + 10, "slot": True}
DEAD = {"status": "dead", "reason": "gone wrong", "finished_at": NOW}
DELIVERIES: dict[str, dict[str, Any]] = {
    "queued": {"status": "queued"},
    "begun": LEASED,
    "leased": LEASED,
    "running": (
        CALLED
        | {
            "run_id": "r1",
            "run_state": "running",
            "raw_state": "RUNNING",
            "slot": True,
            "poll_at": NOW + 2,
            "polls": 3,
        }
    ),
    "done": (
        CALLED
        | {
            "run_id": "r2",
            "run_state": "done",
            "raw_state": "DONE",
            "finished_at": NOW,
            "outputs": "{}",
            "log": '["b"]',
        }
    ),
    "unknown": {"status": "unknown", "reason": "no answer", "attempts": 1},
    "refused": DEAD | {"attempts": 1},
    "unsendable": DEAD | {"inputs": None},
    "cancelled": {"status": "cancelled", "finished_at": NOW},
    "shadow": {"status": "shadow"},
}
ENDED = {"number": 1, "started_at": NOW, "finished_at": NOW + 1}
EVENT = {
    "source": "github",
    "provider": "github",
    "received_at": NOW,
    "config_hash": "c" * 64,
    "body_sha256": SHA,
    "query_string": "a=b",
    "headers": '{"content-type":"application/json"}',
    "body": BODY,
}
RUN = {"saved_item_id": "echo", "user_id": "u", "created_at": NOW, "inputs": '{"a":1}'}
ROWS: dict[str, list[dict[str, Any]]] = {
    "config": [
        {"hash": "c" * 64, "canonical": '{"config":{"version":1},"schemas":{}}', "seen_at": NOW}
    ],
    "event": [
        EVENT | {"id": "evt_1", "type": "issues", "provider_id": "d-1", "duplicates": 2},
        EVENT
        | {
            "id": "evt_2",
            "provider_id": None,
            "problem": "not JSON",
            "same_body_as": "evt_1",
            "received_at": NOW + 1,
        },
    ],
    "delivery": [PLANNED | {"id": f"dlv_{name}"} | each for name, each in DELIVERIES.items()],
    "attempt": [
        {"delivery_id": "dlv_begun", "number": 1, "started_at": NOW},
        ENDED
        | {
            "delivery_id": "dlv_running",
            "outcome": "started",
            "status_code": 200,
            "run_id": "r1",
        },
        ENDED
        | {
            "delivery_id": "dlv_done",
            "outcome": "started",
            "status_code": 200,
            "run_id": "r2",
        },
        ENDED | {"delivery_id": "dlv_unknown", "outcome": "unknown", "detail": "no answer"},
        ENDED
        | {
            "delivery_id": "dlv_refused",
            "outcome": "rejected",
            "status_code": 400,
            "detail": "no such flow",
        },
    ],
    "local_run": [
        RUN | {"id": "run_1", "state": "QUEUED", "idempotency_key": "dlv_x"},
        RUN
        | {
            "id": "run_2",
            "state": "RUNNING",
            "started_at": NOW,
            "lease": "old",
            "lease_until": NOW + 10,
        },
        RUN
        | {
            "id": "run_3",
            "state": "DONE",
            "finished_at": NOW,
            "outputs": '{"a":1}',
            "log": '["said"]',
            "idempotency_key": "dlv_done",
        },
    ],
    "worker": [{"id": "w", "host": "h", "pid": 7, "started_at": NOW, "seen_at": NOW}],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def first(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a database of the first release."""
    is_sqlite = request.param == "sqlite"
    database = Database(
        f"sqlite:///{tmp_path / 'flowbridge.db'}"
        if is_sqlite
        else request.getfixturevalue("empty_postgres")
    )
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), "0001")
    yield database
    database.close()


def kept(database: Database, schema: MetaData) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows by table, in the columns of the schema."""
    with database.read() as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for name, table in schema.tables.items()
        }


def upgraded(database: Database) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fill every table of the first schema, migrate it, and return the rows before and after."""
    schema = MetaData()
    with database.engine.begin() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        assert names == set(ROWS), "each table has rows"
        schema.reflect(connection, only=names)
        for name, rows in ROWS.items():
            for row in rows:
                connection.execute(insert(schema.tables[name]).values(row))
    before = kept(database, schema)
    assert upgrade.upgrade(database) == ("0001", table_schema.HEAD)
    return before, kept(database, schema)


def test_a_database_of_the_first_release_is_upgraded_with_all_that_is_in_it(
    first: Database,
) -> None:
    before, after = upgraded(first)
    assert after == before
    with first.read() as connection:
        assert checkup.find_violations(connection) == []
    found = event_lookup.show(first, "evt_1")
    assert (found.event.body, found.event.headers, found.event.duplicates, found.event.files) == (
        BODY,
        {"content-type": "application/json"},
        2,
        (),
    )
    assert events.get(first, "evt_2").same_body_as == "evt_1"
    by_name = {one.id.removeprefix("dlv_"): one for one in found.deliveries}
    assert {name: one.status for name, one in by_name.items()} == {
        name: each["status"] for name, each in DELIVERIES.items()
    }
    assert {name: one.dead_kind for name, one in by_name.items() if one.dead_kind} == {
        "refused": DeadKind.PLATFORM,
        "unsendable": DeadKind.OURS,
    }
    done = by_name["done"]
    assert (done.run_state, done.outputs, done.log, done.order, done.reruns) == (
        RunState.DONE,
        {},
        ("b",),
        None,
        0,
    )
    assert [
        (one.outcome, one.status_code, one.detail) for one in found.attempts["dlv_refused"]
    ] == [("rejected", 400, "no such flow")]
    assert configs.last_config(first) == "c" * 64


def test_what_waited_or_was_under_way_goes_on_after_the_upgrade(first: Database) -> None:
    upgraded(first)
    reaped = first.write(
        lambda connection: ledger.reap_expired(connection, NOW + 60, 0.0, lambda _: None)
    )
    assert {(one.delivery.id, one.attempt, status) for one, status in reaped} == {
        ("dlv_begun", 1, "unknown"),
        ("dlv_leased", 0, "queued"),
    }
    taken = first.write(
        lambda c: claims.claim(
            c, ClaimLimits(caps={"local": 100}), most=9, now=NOW + 60, lease="new"
        )
    )
    assert sorted(one.delivery.id for one in taken) == ["dlv_leased", "dlv_queued"]
    again = events.add(first, make_event("d-1", now=NOW + 60, body=BODY), [], lambda *_: [])
    assert (again.event_id, again.duplicate) == ("evt_1", True)
    new = events.add(first, make_event("d-9", now=NOW + 60, body=BODY), [], lambda *_: [])
    assert events.get(first, new.event_id).same_body_as == "evt_2"
    (run,) = first.write(lambda connection: runs.claim(connection, 9, NOW + 60, "new"))
    assert (run.id, run.inputs) == ("run_1", '{"a":1}')
    with first.read() as connection:
        known = runs.find(connection, "dlv_done")
    assert known is not None and (known.state, known.outputs) == (LocalState.DONE, {"a": 1})
