"""Runs workers on real stores in tests, adds deliveries for them, and reads what they did."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from records import make_delivery, make_event, make_local_run
from servers import FakePlatform
from serving import until
from sqlalchemy import select

from bridge.config.settings import load_settings
from bridge.core.model import Delivery, Retry
from bridge.flows import flow
from bridge.flows.loader import FlowLibrary
from bridge.flows.process.forkserver import Forkserver, start_forkserver
from bridge.routing.model import Config, Platform, Route
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs
from bridge.store.tables import schema
from bridge.system.http_client import HttpClient
from bridge.system.wakeup import Wake
from bridge.worker.worker import Worker

FAST = Retry(attempts=3, first=0.02, max=0.1)
QUICK: dict[str, Any] = {
    "heartbeat_seconds": 0.2,
    "idle_poll_seconds": 0.02,  # no test rings the worker
    "allowance_raise_first_seconds": 0.02,
}


def gumloop(fake: FakePlatform | None = None, url: str = "", **more: Any) -> Platform:
    base = fake.base_url if fake else url
    given: dict[str, Any] = {
        "api_key": "fake-key",
        "user_id": "fake-user",
        "timeout": 60.0,
        "max_concurrent_runs": 5,
    }
    return Platform(name="gumloop", type="gumloop", base_url=base, **given | more)


def configured(*platforms: Platform, routes: tuple[Route, ...] = ()) -> Config:
    return Config(
        sources={},
        routes=routes,
        flows={},
        platforms={one.name: one for one in platforms},
        hash="0" * 64,
        canonical="{}",
    )


Present = Config | Callable[[], Config]


def made(
    database: Database, config: Present, flows: Mapping[str, Any] | None = None, **more: Any
) -> Worker:
    data = more.pop("data", None) or make_data_folder()
    environ = {"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(data)}
    settings = replace(
        load_settings(environ, timings=database.timings),
        reconcile_after=more.pop("reconcile_after", 60.0),
    )
    host = host_of(flows) if flows else None
    read = (lambda: config) if isinstance(config, Config) else config
    return Worker(
        settings,
        read,
        database,
        more.pop("send", None) or HttpClient().send,
        Wake(),
        host,
        more.pop("relay", None),
    )


def make_data_folder() -> str:
    """Return a new folder for the data of a worker, whose counters would stay behind in the
    current one.
    """
    return tempfile.mkdtemp(prefix="flowbridge-worker-")


def host_of(flows: Mapping[str, Any]) -> Forkserver:
    """A flow host with these flows. Other tests have left threads behind, which a real worker has
    not when it forks.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return start_forkserver(lambda _path: FlowLibrary(flows), {"PATH": os.environ["PATH"]})


@contextmanager
def working(
    database: Database, config: Present, flows: Mapping[str, Any] | None = None, **more: Any
) -> Iterator[Worker]:
    """A worker in a thread of its own."""
    worker = made(database, config, flows, **more)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(60)
        assert not thread.is_alive()


def add(database: Database, count: int = 1, route: str = "triage", **changes: Any) -> list[str]:
    ids = []
    for _ in range(count):
        now = time.time()
        event = make_event(None, now=now)
        given: dict[str, Any] = {
            "platform": "gumloop",
            "flow": "triage",
            "saved_item_id": "q3da",
            "retry": FAST,
            **changes,
        }
        delivery = make_delivery(event, route, now=now, **given)
        events.add(database, event, [delivery], lambda *_: [])
        ids.append(delivery.id)
    return ids


def get(database: Database, delivery_id: str) -> Delivery:
    with database.read() as connection:
        row = connection.execute(
            select(schema.delivery.c.event_id).where(schema.delivery.c.id == delivery_id)
        ).one()
    return next(
        one
        for one in events.deliveries_of(database, [row.event_id])[row.event_id]
        if one.id == delivery_id
    )


def attempts(database: Database, delivery_id: str) -> list[Any]:
    with database.read() as connection:
        return list(
            connection.execute(
                select(schema.attempt)
                .where(schema.attempt.c.delivery_id == delivery_id)
                .order_by(schema.attempt.c.number)
            )
        )


def slots(database: Database) -> int:
    with database.read() as connection:
        return len(
            connection.execute(select(schema.delivery.c.id).where(schema.delivery.c.slot)).all()
        )


def wait(database: Database, ids: list[str], done: Callable[[Delivery], bool]) -> list[Delivery]:
    def look() -> list[Delivery] | None:
        found = [get(database, one) for one in ids]
        return found if all(map(done, found)) else None

    return until(look, what="the deliveries") or []


def ended(one: Delivery) -> bool:
    return one.run_state in ("done", "failed", "terminated")


def is_in(*statuses: str) -> Callable[[Delivery], bool]:
    return lambda one: one.status in statuses


def start_run(database: Database, name: str, inputs: str = "{}") -> str:
    run = make_local_run(name, inputs=inputs, created_at=time.time())
    return database.write(lambda connection: runs.start(connection, run)).id


def run_of(database: Database, run_id: str) -> Any:
    with database.read() as connection:
        return runs.get(connection, run_id)


LOCAL = Platform(
    name="local", type="local", base_url="http://127.0.0.1:1/api/v1", max_concurrent_runs=4
)


def slow_flow(folder: Path, seconds: float, name: str = "slow", **more: Any) -> Any:
    """A flow that says by a file that it has begun."""

    @flow(name=name, **more)
    def slow() -> dict[str, int]:
        (folder / f"begun-{os.getpid()}").touch()
        time.sleep(seconds)
        return {"a": 1}

    return slow


def begun(folder: Path) -> list[Path]:
    return list(folder.glob("begun-*"))
