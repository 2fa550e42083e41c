"""A temporary schema in a PostgreSQL database that is empty otherwise."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from bridge.core.errors import SettingsError
from bridge.store.db import scratch_schema
from bridge.store.db.database import Database

NAME = "flowbridge_torture_a"


def current_schema(url: str) -> str | None:
    database = Database(url)
    try:
        return database.write(
            lambda connection: connection.exec_driver_sql("SELECT current_schema()").scalar()
        )
    finally:
        database.close()


def test_a_schema_is_there_once_and_until_it_is_dropped(empty_postgres: str) -> None:
    url = scratch_schema.create(empty_postgres, NAME)
    assert current_schema(url) == NAME
    with pytest.raises(SettingsError, match=f"it contains the schema {NAME} of a torture run"):
        scratch_schema.create(empty_postgres, "flowbridge_torture_b")
    scratch_schema.drop(empty_postgres, NAME)
    assert current_schema(url) is None


def test_the_url_of_a_schema_has_the_password() -> None:
    url = scratch_schema.schema_url("postgresql://a:secret@db.example/b", NAME)
    assert make_url(url).password == "secret"
    with pytest.raises(ValueError, match="not a valid schema name"):
        scratch_schema.schema_url("postgresql://db.example/b", 'a"; DROP')
