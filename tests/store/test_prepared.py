"""Statements that are sent to the database together."""

from __future__ import annotations

import pytest
from records import make_event
from sqlalchemy import Connection, bindparam, select, update

from bridge.core.errors import StoreError
from bridge.store.db.database import Database
from bridge.store.db.prepared import InJsonList, PreparedStatement, send_together
from bridge.store.inbound import events
from bridge.store.tables.schema import event

_RENAME = PreparedStatement(
    update(event).where(InJsonList(event.c.id, "ids")).values(config_hash=bindparam("name"))
)


@pytest.fixture
def event_id(database: Database) -> str:
    one = make_event()
    events.add(database, one, [], lambda *_: [])
    return one.id


def rename(connection: Connection, id_: str, *names: str | None) -> None:
    with send_together(connection):
        for name in names:
            _RENAME.change_alike(connection, [(id_, {"name": name})])


def read_name(connection: Connection) -> str:
    return str(connection.execute(select(event.c.config_hash)).scalar_one())


def test_changes_are_made_in_their_order(database: Database, event_id: str) -> None:
    database.write(lambda connection: rename(connection, event_id, "first", "last"))
    with database.read() as connection:
        assert read_name(connection) == "last"


def test_a_change_that_fails_undoes_those_beside_it(database: Database, event_id: str) -> None:
    with pytest.raises((StoreError, database.driver_error), match="config_hash"):
        database.write(lambda connection: rename(connection, event_id, "first", None, "last"))
    with database.read() as connection:
        assert read_name(connection) == "0" * 64
    database.write(lambda connection: rename(connection, event_id, "after"))
    with database.read() as connection:
        assert read_name(connection) == "after"


def test_the_next_statement_of_the_transaction_sees_them(database: Database, event_id: str) -> None:
    def change(connection: Connection) -> str:
        rename(connection, event_id, "new")
        return read_name(connection)

    assert database.write(change) == "new"
