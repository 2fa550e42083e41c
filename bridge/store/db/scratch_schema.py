"""Temporary schemas in an empty PostgreSQL database, for test data."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection, make_url, text

from bridge.core.errors import SettingsError, StoreError
from bridge.store.db.advisory_locks import Lock, take_lock
from bridge.store.db.database import Database

# A schema with this prefix means that the database is in use.
SCHEMA_PREFIX: Final = "flowbridge_torture_"
_NAME = re.compile(SCHEMA_PREFIX + r"[a-z0-9_]{1,40}")
_ANY_TABLE = text(
    "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid ="
    " c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT"
    " LIKE 'pg\\_%' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype ="
    " 'e') ORDER BY 1 LIMIT 1"
)
_SCRATCH_SCHEMA = text(
    "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix) ORDER BY 1 LIMIT 1"
)
_TERMINATE = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname ="
    " current_database() AND pid <> pg_backend_pid()"
)


def create(url: str, name: str) -> str:
    """Create the schema `name` in an empty database, and return a URL that selects it.

    Raises `SettingsError` if the database is not empty (a schema of another torture run counts),
    cannot be reached, or does not permit it.
    """
    database = Database(url)
    if database.is_sqlite:
        raise SettingsError("FLOWBRIDGE_DATABASE_URL: scratch schemas require PostgreSQL")
    try:
        if (content := database.write(lambda connection: _make(connection, name))) is not None:
            raise SettingsError(
                f"the database {database.url.database!r} is not empty: it contains {content}. Use"
                " an empty database"
            )
    except StoreError as error:
        raise SettingsError(f"the database cannot be used: {error}") from error
    finally:
        database.close()
    return schema_url(url, name)


def _make(connection: Connection, name: str) -> str | None:
    """Create the schema, or return what the database already contains.

    The schema itself marks the database as in use: it outlives every connection.
    """
    take_lock(connection, Lock.RENT)
    if (
        schema := connection.execute(_SCRATCH_SCHEMA, {"prefix": SCHEMA_PREFIX}).scalar()
    ) is not None:
        return (
            f"the schema {schema} of a torture run; if no run is active, remove it with"
            f" DROP SCHEMA {schema} CASCADE"
        )
    if (table := connection.execute(_ANY_TABLE).scalar()) is not None:
        return str(table)
    connection.exec_driver_sql(f"CREATE SCHEMA {_checked(name)}")
    return None


def schema_url(url: str, name: str) -> str:
    """Return the URL of the same database that selects this schema."""
    inside = make_url(url).update_query_dict({"options": f"-csearch_path={_checked(name)}"})
    return inside.render_as_string(hide_password=False)


def drop(url: str, name: str) -> None:
    """Drop the schema with all its contents."""
    database = Database(url)
    try:
        database.write(
            lambda connection: connection.exec_driver_sql(
                f"DROP SCHEMA IF EXISTS {_checked(name)} CASCADE"
            )
        )
    finally:
        database.close()


def disconnect(url: str) -> int:
    """End all other connections to the database, as a network failure would; return how many."""
    database = Database(url)
    try:
        return database.write(lambda connection: connection.execute(_TERMINATE).scalar()) or 0
    finally:
        database.close()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid schema name")
    return name
