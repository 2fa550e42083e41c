"""Deliveries for which an event was planned again are marked, and found by an index of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic_settings import scripts
from query_plans import record_plans
from records import NOW, make_delivery, make_event
from sqlalchemy import select

from bridge.core.model import Delivery, Event, Status
from bridge.core.units import DAY
from bridge.store.db.database import Database
from bridge.store.encryption import NO_ENCRYPTION
from bridge.store.inbound import events
from bridge.store.migrations import upgrade
from bridge.store.queries import baselines, status
from bridge.store.tables import rows, schema

BEFORE = "0030"


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database of the schema before."""
    url = (
        f"sqlite:///{tmp_path}/flowbridge.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    database = Database(url)
    with database.engine.begin() as connection:
        command.upgrade(scripts(connection), BEFORE)
    yield database
    database.close()


def planned_again(database: Database) -> set[str]:
    with database.read() as connection:
        return set(
            connection.execute(
                select(schema.delivery.c.id).where(schema.delivery.c.planned_again)
            ).scalars()
        )


def test_a_migration_marks_those_after_dead_deliveries_and_failed_runs(before: Database) -> None:
    def keep(event: Event, name: str, at: float, **columns: object) -> None:
        row = rows.delivery_row(make_delivery(event, id=name, now=at), NO_ENCRYPTION)
        with before.engine.begin() as connection:
            connection.execute(schema.delivery.insert().values({**row, **columns}))

    ends: dict[str, dict[str, object]] = {
        "dead": {"status": "dead", "dead_kind": "platform"},
        "failed": {"status": "delivered", "run_state": "failed"},
        "done": {"status": "delivered", "run_state": "done"},
    }
    for name, columns in ends.items():
        event = make_event(name)
        keep(event, name, NOW, **columns)
        keep(event, f"{name}, other flow", NOW)
        keep(event, f"{name}, again", NOW + 1)
    keep(make_event("other"), "of another event", NOW + 1)
    upgrade.upgrade(before)
    assert planned_again(before) == {"dead, again", "failed, again"}


def test_a_repeat_that_is_planned_again_is_marked(database: Database) -> None:
    first = make_event("1")
    dead = make_delivery(first, status=Status.DEAD, reason="HTTP 404", finished_at=NOW)
    events.add(database, first, [dead], lambda *_: [])
    again = make_delivery(first, id="again", now=NOW + 1)

    def replan(_event: Event, _nonce: str) -> list[Delivery]:
        return [again]

    events.add(database, make_event("1", now=NOW + 1), [], replan)
    assert planned_again(database) == {"again"}


def test_a_status_finds_replays_by_the_small_index(sqlite: Database) -> None:
    plans = record_plans(sqlite)
    status.read_status(sqlite, (), NOW, midnight=NOW - NOW % DAY, day=DAY)
    with sqlite.read() as connection:
        baselines.runs_ended(connection, NOW - 60)
    steps = [one.step for one in plans if "later" in one.step]
    assert len(steps) == 2
    assert all("ix_delivery_again (event_id=? AND route=?" in step for step in steps), steps
