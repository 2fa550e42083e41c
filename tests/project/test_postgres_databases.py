"""A test gets a PostgreSQL database that an earlier test used, as if it were new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from postgres_databases import DatabasePool, drop_postgres_database, new_postgres_database
from records import make_delivery, make_event
from sqlalchemy import Column, Connection, insert, make_url, select, text
from sqlalchemy.exc import OperationalError

from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables import schema

#: What makes a database differ from a new one, though its rows are deleted.
CHANGES = {
    "a table": "CREATE TABLE another (x int)",
    "a column": "ALTER TABLE event ADD COLUMN another int",
    "an index": "DROP INDEX ix_delivery_event",
    "a trigger": "ALTER TABLE delivery DISABLE TRIGGER ALL",
    "a schema": "CREATE SCHEMA another",
    "the revision": "UPDATE alembic_version SET version_num = '0001'",
    "a setting": "ALTER DATABASE {name} SET work_mem = '1MB'",
    "statistics": "ANALYZE event",
    "a large table": "INSERT INTO config SELECT n, '', 0 FROM generate_series(1, 5000) AS rows(n)",
}


@pytest.fixture
def pool(postgres: str, migrated_postgres: str) -> DatabasePool:
    return DatabasePool(postgres, migrated_postgres)


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    database = Database(url)
    with database.engine.begin() as connection:
        yield connection
    database.close()


def read_oid(url: str) -> int:
    """Return what tells a database from others, whatever its name is."""
    with connect(url) as connection:
        query = "SELECT oid FROM pg_database WHERE datname = current_database()"
        oid: int = connection.execute(text(query)).scalar_one()
        return oid


def read_all(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a database, and the states of its sequences."""
    with connect(url) as connection:
        names = connection.execute(
            text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'S') AND oid >= 16384")
        )
        return {
            name: [tuple(row) for row in connection.execute(text(f'TABLE "{name}"'))]
            for name in names.scalars()
        }


def fill(url: str) -> None:
    """Insert a row into each table, and take a value of each sequence."""
    database = Database(url)
    event = make_event()
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    database.close()
    with connect(url) as connection:
        for table in schema.metadata.sorted_tables:
            if connection.execute(select(table)).first() is None:
                row = {column.name: make_value(column) for column in table.c}
                connection.execute(insert(table).values(row))
        connection.execute(text("SELECT nextval(seqrelid) FROM pg_sequence")).all()


def make_value(column: Column[Any]) -> object:
    kind = column.type.python_type
    return b"7" if kind is bytes else kind(7)


def test_an_emptied_database_equals_a_new_one(
    pool: DatabasePool, postgres: str, migrated_postgres: str
) -> None:
    new = new_postgres_database(postgres, migrated_postgres)
    with pool.borrow() as url:
        oid = read_oid(url)
        fill(url)
        for name, rows in read_all(new).items():
            assert name == "alembic_version" or read_all(url)[name] != rows
    with pool.borrow() as next_url:
        assert read_oid(next_url) == oid
        assert read_all(next_url) == read_all(new)
    drop_postgres_database(postgres, new)


def test_what_a_test_left_running_cannot_connect(pool: DatabasePool) -> None:
    with pool.borrow() as url:
        pass
    with pool.borrow(), pytest.raises(OperationalError, match="does not exist"):
        read_all(url)


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_that_was_changed_is_not_used_again(pool: DatabasePool, change: str) -> None:
    with pool.borrow() as url:
        oid = read_oid(url)
        with connect(url) as connection:
            connection.execute(text(CHANGES[change].format(name=make_url(url).database)))
    with pool.borrow() as next_url:
        assert read_oid(next_url) != oid


def test_a_database_that_is_connected_to_is_not_used_again(
    pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool.borrow() as url:
        oid = read_oid(url)
        database = Database(url)
        connection = database.engine.connect()
    with pool.borrow() as next_url:
        assert read_oid(next_url) != oid
    connection.invalidate()
    database.close()


def test_a_database_that_was_dropped_is_not_used_again(pool: DatabasePool, postgres: str) -> None:
    with pool.borrow() as url:
        oid = read_oid(url)
        drop_postgres_database(postgres, url)
    with pool.borrow() as next_url:
        assert read_oid(next_url) != oid
