"""The stores that releases made are upgraded, and what waits in them goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from processes import call_here, environment, eventually, running
from released_stores import (
    ENCRYPTION_KEY,
    FILE,
    VERSIONS,
    describe_schema,
    load,
    read_rows,
    reflect_tables,
    settings,
)
from servers import Misbehaving
from serving import free_port

from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup
from bridge.store.tables.schema import HEAD, RELEASED_SCHEMAS

REVISIONS = {version: revision for revision, version in RELEASED_SCHEMAS.items()}
#: What becomes of the deliveries of each route without a person; those that the killed replay
#: planned are counted by its items.
ALONE = {
    ("begun", "delivered"): 1,
    ("debounced", "delivered"): 1,
    ("delayed", "delivered"): 1,
    ("echo", "delivered"): 3,
    ("messages", "delivered"): 2,
    ("ordered", "blocked"): 1,
    ("ordered", "dead"): 1,
    ("refused", "dead"): 5,
    ("retried", "delivered"): 1,
    ("unknown", "unknown"): 1,
}
#: A worker of 0.2.0 and later carries out the retry of `ordered`.
BY_OPERATION = {
    ("ordered", "blocked"): 0,
    ("ordered", "dead"): 0,
    ("ordered", "delivered"): 2,
}


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Name a kind of database."""
    name: str = request.param
    return name


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'released.db'}"
    empty: str = request.getfixturevalue("empty_postgres")
    return empty


def test_each_release_has_a_store() -> None:
    assert sorted(REVISIONS) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgrade_keeps_the_rows_and_gives_the_schema_of_a_new_store(
    version: str, kind: str, url: str, request: pytest.FixtureRequest
) -> None:
    load(version, url)
    database = Database(url)
    tables = reflect_tables(database)
    before = read_rows(database, tables)
    assert upgrade.upgrade(database) == (REVISIONS[version], HEAD)
    assert read_rows(database, tables) == before
    with database.read() as connection:
        assert checkup.find_violations(connection) == []
    assert describe_schema(database) == describe_schema(request.getfixturevalue(kind))
    database.close()


@pytest.mark.usefixtures("new_processes", "before_release")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_waits_goes_on_after_the_upgrade(version: str, url: str, tmp_path: Path) -> None:
    load(version, url)
    BlobStore(tmp_path / "blobs").store(FILE)
    with Misbehaving() as platform:
        given = settings(tmp_path, url, platform.url, free_port(), free_port())
        environ = environment(**given, FLOWBRIDGE_ENCRYPTION_KEYS=ENCRYPTION_KEY)

        def list_records(*arguments: str) -> list[dict[str, Any]]:
            done = call_here(tmp_path, *arguments, "--json", environ=environ)
            assert done.returncode == 0, done.stderr
            return [json.loads(line) for line in done.stdout.splitlines()]

        def count() -> Counter[tuple[str, str]]:
            rows = list_records("deliveries", "--limit", "0")
            return Counter((row["route"], row["status"]) for row in rows)

        call_here(tmp_path, "db", "upgrade", environ=environ)
        (replay,) = (row for row in list_records("operations") if row["command"] == "replay")
        alone = ALONE | {("refused", "delivered"): replay["done"]}
        if version > "0.1.0":
            alone |= BY_OPERATION
        with running(tmp_path, "serve", environ=environ):
            eventually(lambda: count() == +Counter(alone))
            for arguments in (
            ("operations", "resume", replay["id"], "--yes"),
            ("resolve", "--as", "queued", "--yes", *(
                    row["id"] for row in list_records("deliveries", "--status", "unknown")
                )),
            ("retry", "--status", "dead", "--yes"),
            ):  # fmt: skip
                done = call_here(tmp_path, *arguments, environ=environ)
                assert done.returncode == 0, done.stderr
            eventually(lambda: {status for _, status in count()} == {"delivered"})
            assert count()["refused", "delivered"] == 10
            assert list_records("operations", "--unfinished") == []
        sealed = list_records("events", "--where", "body.order=sealed")
        assert [row["type"] for row in sealed] == ["echo"]
        assert [row["name"] for row in list_records("token", "list")] == ["grafana"]
