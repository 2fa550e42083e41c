"""PostgreSQL behind a pooler: connections that share sessions are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pgbouncer import pgbouncer
from sqlalchemy import event

from bridge.config.settings import Settings
from bridge.core.errors import StoreError
from bridge.services.bridge_checks.database_sessions import find_shared_sessions
from bridge.services.store_access import open_store
from bridge.store.db import session_check
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup

SAID = "transaction mode.*pool_mode = session there, or connect directly"


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.mark.usefixtures("new_processes")
def test_a_pooler_in_transaction_mode_is_refused(postgresql: Database, tmp_path: Path) -> None:
    with pgbouncer(url_of(postgresql), "transaction") as url:
        database = Database(url)
        with pytest.raises(StoreError, match=SAID):
            upgrade.upgrade(database)
        assert session_check.SHARED_SESSIONS in checkup.check_database(database)["problems"]
        database.close()
        settings = Settings(
            data=tmp_path, config=tmp_path / "routes.yaml", bind="127.0.0.1:1", database_url=url
        )
        with pytest.raises(StoreError, match=SAID), open_store(settings):
            pass
        [finding] = find_shared_sessions(settings)
        assert (finding.result, finding.found) == ("error", session_check.SHARED_SESSIONS)


@pytest.mark.usefixtures("new_processes")
def test_a_pooler_in_session_mode_is_used(postgresql: Database) -> None:
    with pgbouncer(url_of(postgresql), "session") as url:
        database = Database(url)
        upgrade.upgrade(database)
        database.close()


def test_a_database_without_a_pooler_has_sessions(database: Database) -> None:
    session_check.check_sessions(database)
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_two_connections_with_one_session_are_refused(postgresql: Database) -> None:
    """As behind a pooler, which needs no pooler: each answer names one process of the server."""

    @event.listens_for(postgresql.engine, "before_cursor_execute", retval=True)
    def share(
        _connection: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> tuple[str, object]:
        return statement.replace("pg_backend_pid()", "7"), parameters

    with pytest.raises(StoreError, match=SAID):
        session_check.check_sessions(postgresql)


def test_a_session_that_changes_only_in_the_third_round_is_noticed(postgresql: Database) -> None:
    """Other clients of a pooler hide it meanwhile."""
    sessions = iter([1, 2, 1, 2, 1, 3])

    @event.listens_for(postgresql.engine, "before_cursor_execute", retval=True)
    def pool(
        _connection: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> tuple[str, object]:
        if "pg_backend_pid()" in statement:
            statement = statement.replace("pg_backend_pid()", str(next(sessions)))
        return statement, parameters

    with pytest.raises(StoreError, match=SAID):
        session_check.check_sessions(postgresql)


@pytest.mark.parametrize(
    ("rounds", "shared"),
    [
        ([(1, 2), (1, 2), (1, 2)], False),
        ([(1, 1), (1, 1), (1, 1)], True),
        ([(1, 2), (2, 1), (1, 2)], True),
        ([(1, 2), (1, 2), (1, 3)], True),
    ],
)
def test_a_session_is_one_connection_s(rounds: list[tuple[int, int]], shared: bool) -> None:
    assert session_check.are_shared(rounds) is shared
