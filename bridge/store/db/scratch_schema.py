"""A schema of its own in an empty PostgreSQL database, for data that nobody will miss: made, used,
removed again.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection, make_url, text

from bridge.core.errors import SettingsError, StoreError
from bridge.store.db.advisory_locks import Lock, alone
from bridge.store.db.database import Database

# of every name: a schema of such a name is somebody's who is using the database now
PREFIX: Final = "flowbridge_torture_"
_NAME = re.compile(PREFIX + r"[a-z0-9_]{1,40}")
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


def make(url: str, name: str) -> str:
    """Make the schema `name` in an empty database and return a URL that leads into it.

    `SettingsError` where the database has anything in it already, a schema of another one who rents
    it included, cannot be reached, or lets nothing be made.
    """
    database = Database(url)
    if database.is_sqlite:
        raise SettingsError("FLOWBRIDGE_DATABASE_URL: only a PostgreSQL database has schemas")
    try:
        if (found := database.write(lambda connection: _make(connection, name))) is not None:
            raise SettingsError(
                f"the database {database.url.database!r} is not empty: it has {found}. Give one"
                " that has nothing in it"
            )
    except StoreError as error:
        raise SettingsError(f"the database cannot be used: {error}") from error
    finally:
        database.close()
    return within(url, name)


def _make(connection: Connection, name: str) -> str | None:
    """Make the schema; or return what is there already. The schema is the mark for whoever comes
    next: it outlives every connection.
    """
    alone(connection, Lock.RENT)
    if (rented := connection.execute(_SCRATCH_SCHEMA, {"prefix": PREFIX}).scalar()) is not None:
        return (
            f"{rented} of a torture, which is under way, or was killed or kept (then: DROP SCHEMA"
            f" {rented} CASCADE)"
        )
    if (found := connection.execute(_ANY_TABLE).scalar()) is not None:
        return str(found)
    connection.exec_driver_sql(f"CREATE SCHEMA {_checked(name)}")
    return None


def within(url: str, name: str) -> str:
    """Return the URL of the same database, in which that schema is the one that is used."""
    inside = make_url(url).update_query_dict({"options": f"-csearch_path={_checked(name)}"})
    return inside.render_as_string(hide_password=False)


def remove(url: str, name: str) -> None:
    """Remove the schema with all that is in it."""
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
    """End every other connection to the database, as a lost network would; return how many there
    were.
    """
    database = Database(url)
    try:
        return database.write(lambda connection: connection.execute(_TERMINATE).scalar()) or 0
    finally:
        database.close()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a schema")
    return name
