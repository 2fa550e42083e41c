"""PostgreSQL for the measurements that compare it with SQLite: empty databases, and the settings of
flowbridge for them.
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import rig
from sqlalchemy.engine import make_url

Settings = Mapping[str, str]  # of the environment of flowbridge
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
def server(path: Path, url: str = "") -> Iterator[str]:
    """Give the URL of a PostgreSQL server: the one at `url`, or else a new one below `path`."""
    with contextlib.ExitStack() as stack:
        yield url or stack.enter_context(rig.postgres(path))


@contextlib.contextmanager
def database(server_url: str) -> Iterator[Settings]:
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
