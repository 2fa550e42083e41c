"""The deliveries that the runs in a platform's list belong to."""

from __future__ import annotations

from records import NOW, make_delivery, make_event, put
from sqlalchemy import insert

from bridge.core.model import RunState
from bridge.core.status import RunReport
from bridge.delivery.platforms.model import ListedRun
from bridge.services.platforms.run_owners import describe_owned_runs
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables import schema


def test_each_run_names_its_delivery(database: Database) -> None:
    event = make_event("1")
    delivery = make_delivery(event)
    events.add(database, event, [delivery], lambda *_: [])
    put(database, delivery.id, status="delivered", run_id="R2", attempts=2)
    with database.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(
                delivery_id=delivery.id, number=1, started_at=NOW, run_id="R1"
            )
        )
    report = RunReport(state=RunState.DONE, created_at=NOW)
    runs = [ListedRun(id=id_, saved_item_id="echo", report=report) for id_ in ("R1", "R2", "R3")]
    owner = {"delivery_id": delivery.id, "event_id": event.id, "route": delivery.route}
    shapes = describe_owned_runs(database, delivery.platform, runs)
    assert [{name: run[name] for name in owner} for run in shapes] == [
        owner,
        owner,
        dict.fromkeys(owner),
    ]
    for store, platform in ((None, delivery.platform), (database, "another")):
        shapes = describe_owned_runs(store, platform, runs)
        assert {run["delivery_id"] for run in shapes} == {None}
