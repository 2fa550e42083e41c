"""Runs in the console: those in flight, and one of the local platform."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console_client import ConsoleClient
from records import make_delivery, make_event, put

from bridge.core.local_runs import LocalRun, LocalState
from bridge.core.model import Status
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs

RUN = "run-of-a-test"


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    console = ConsoleClient(database, tmp_path)
    console.log_in()
    return console


def test_a_run_of_the_local_platform_has_a_page(console: ConsoleClient) -> None:
    run = LocalRun(
        id=RUN,
        saved_item_id="echo",
        user_id="me",
        inputs='{"title": "Found <b>"}',
        state=LocalState.QUEUED,
        created_at=time.time(),
    )
    console.database.write(lambda connection: runs.start(connection, run))
    event = make_event()
    delivery = make_delivery(event)
    events.add(console.database, event, (delivery,), lambda *_: [])
    path = f"/runs?run_id={RUN}&flow_id=echo"
    assert "started by hand" in console.html(path)
    put(console.database, delivery.id, status=Status.DELIVERED, run_id=RUN, run_state="running")
    html = console.html(path)
    assert f"/console/deliveries/{delivery.id}" in html
    assert "Found &lt;b&gt;" in html
    console.log_in((Scope.READ,))
    assert "Found" not in console.html(path)
    assert console.get("/runs?run_id=nope").status_code == 404


def test_runs_in_flight_are_listed(console: ConsoleClient) -> None:
    assert "No run is in flight" in console.html("/runs")
    event = make_event()
    delivery = make_delivery(event)
    events.add(console.database, event, (delivery,), lambda *_: [])
    columns = {"status": Status.DELIVERED, "run_id": RUN, "run_state": "running", "slot": True}
    put(console.database, delivery.id, **columns, delivered_at=time.time())
    assert f"/console/deliveries/{delivery.id}" in console.html("/runs")
    assert console.get("/runs?flow=local/nope&platform=local").status_code == 400
    assert console.get("/runs?flo=x").status_code == 400
