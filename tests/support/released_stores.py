"""Stores that releases made: `tests/data/stores/README.md` says with which rows."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from postgres_server import execute
from sqlalchemy import Connection, Float, MetaData, func, make_url, select, text, update

from bridge.store.db.database import Database

FOLDER = Path(__file__).parents[1] / "data" / "stores"
VERSIONS = sorted({file.name.rpartition("-")[0] for file in FOLDER.glob("*.sql")})
SHOP_TOKEN = "the-token-of-the-shop-of-the-stores"
ADMIN_TOKEN = "the-admin-token-of-the-stores-0123456789"
ENCRYPTION_KEY = "c3RvcmVzLW9mLXJlbGVhc2VzLWZvci10ZXN0cy0xMjM="
FILE = b"a small file"  #: of each form submission
#: Later than every wait of routes.yaml.
AGE_SECONDS = 3 * 3600.0
EARLIEST_TIME = 1e9  # smaller numbers are no times

SCHEMA = {
    "sqlite": ("SELECT type, name, sql FROM sqlite_master",),
    "postgresql": (
        "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE NOT tgisinternal",
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace",
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    ),
}


def settings(data: Path, url: str, platform_url: str, port: int, admin_port: int) -> dict[str, str]:
    """Return the environment of a bridge with such a store."""
    return {
        "PLATFORM_URL": platform_url,
        "SHOP_TOKEN": SHOP_TOKEN,
        "FLOWBRIDGE_ACTOR": "maker@stores",
        "FLOWBRIDGE_ADMIN_TOKEN": ADMIN_TOKEN,
        "FLOWBRIDGE_BIND": f"127.0.0.1:{port}",
        "FLOWBRIDGE_CONFIG": str(FOLDER / "routes.yaml"),
        "FLOWBRIDGE_DATA": str(data),
        "FLOWBRIDGE_DATABASE_URL": url,
        "FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{admin_port}",
        "FLOWBRIDGE_SECRET_KEY": "the-secret-key-of-the-stores-0123456789",
    }


def load(version: str, url: str) -> None:
    """Make the store of a release in an empty database, as if it had been left some hours ago."""
    is_sqlite = url.startswith("sqlite")
    script = (FOLDER / f"{version}-{'sqlite' if is_sqlite else 'postgresql'}.sql").read_text()
    if is_sqlite:
        file = sqlite3.connect(make_url(url).database or "")
        file.executescript(script)
        file.close()
    else:
        execute(url, script)
    database = Database(url)
    with database.long_transaction() as connection:
        _move_times(connection)
    database.close()


def _move_times(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection)
    received_at = tables.tables["event"].c.received_at
    newest = connection.execute(select(func.max(received_at))).scalar_one()
    shift = time.time() - AGE_SECONDS - newest
    for table in tables.tables.values():
        for column in table.columns:
            if isinstance(column.type, Float):
                moved = update(table).where(column > EARLIEST_TIME)
                connection.execute(moved.values({column.name: column + shift}))


def reflect_tables(database: Database) -> MetaData:
    """Return the tables and columns that a store has now, but for the revision."""
    tables = MetaData()
    with database.read() as connection:
        tables.reflect(connection, only=lambda name, _: name != "alembic_version")
    return tables


def read_rows(database: Database, tables: MetaData) -> dict[str, list[str]]:
    """Return all rows by table, in these columns."""
    with database.read() as connection:
        return {
            name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for name, table in tables.tables.items()
        }


def describe_schema(database: Database) -> list[tuple[str, ...]]:
    """Return tables, columns, indexes, constraints, triggers and views, without white space."""
    with database.read() as connection:
        return sorted(
            tuple("".join(str(value).split()).replace('"', "") for value in row)
            for statement in SCHEMA["sqlite" if database.is_sqlite else "postgresql"]
            for row in connection.execute(text(statement))
        )
