"""Databases on a PostgreSQL server for tests: new ones, and migrated ones that are used again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from postgres_server import execute
from serving import until
from sqlalchemy import make_url

_numbers = count(1)

#: A test that leaves connections open has its database dropped after that time, in seconds.
CLOSING_SECONDS = 0.5
#: Whether a database is as its migrations left it, apart from the rows of its tables: no statement
#: has written to a catalog or to `alembic_version`, no setting belongs to the database, and its
#: tables are small and were never analyzed. For such a table PostgreSQL plans as if it had ten
#: pages, so that it makes no difference how many rows it once had.
IS_REUSABLE = """
SELECT NOT EXISTS (
    SELECT FROM pg_class WHERE NOT relisshared AND relkind = 'r'
    AND (relnamespace = 'pg_catalog'::regnamespace OR relname = 'alembic_version')
    AND pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid)
        + pg_stat_get_tuples_deleted(oid) > 0
) AND NOT EXISTS (
    SELECT FROM pg_class WHERE relkind IN ('r', 't') AND oid >= 16384 AND (
        relkind = 'r' AND reltuples >= 0
        OR pg_relation_size(oid) > 9 * current_setting('block_size')::int
    )
) AND NOT EXISTS (
    SELECT FROM pg_db_role_setting
    JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
)
"""
#: `replica`: without triggers and foreign keys.
EMPTY = """
DO $$
DECLARE name regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('DELETE FROM %s', name);
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
END
$$
"""


def new_postgres_database(server: str, template: str = "template1") -> str:
    """Make a database on a server, a copy of another one there, and return its URL; without a
    template it is empty.
    """
    name = _new_name()
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return _url_of(server, name)


def drop_postgres_database(server: str, url: str) -> None:
    """Drop a database that no test needs any more: the server may be in memory."""
    execute(server, f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


class DatabasePool:
    """Migrated databases on a server: each test borrows one, which is emptied for the next test.

    That takes a fraction of the time of a new copy. For each test it has another name: what an
    earlier test left running cannot connect.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._idle: list[str] = []

    @contextmanager
    def borrow(self) -> Iterator[str]:
        """Lend the URL of an empty, migrated database."""
        url = (
            self._idle.pop() if self._idle else new_postgres_database(self._server, self._template)
        )
        yield url
        renamed = _url_of(self._server, _new_name())
        if _rename(self._server, url, renamed) and _empty(renamed):
            self._idle.append(renamed)
        else:
            drop_postgres_database(self._server, url)
            drop_postgres_database(self._server, renamed)


def _rename(server: str, url: str, renamed: str) -> bool:
    """Rename a database; return False if there is none, or connections to it stay open."""
    import psycopg

    name, new_name = make_url(url).database, make_url(renamed).database
    others = "SELECT FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(server, autocommit=True) as connection:
        try:
            until(lambda: not connection.execute(others, [name]).rowcount, CLOSING_SECONDS)
            connection.execute(f"ALTER DATABASE {name} RENAME TO {new_name}")  # type: ignore[arg-type]
        except (AssertionError, psycopg.Error):
            return False
    return True


def _empty(url: str) -> bool:
    """Empty a migrated database; return False if that does not make it equal to a new one."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute(IS_REUSABLE).fetchone() != (True,):  # type: ignore[arg-type]
            return False
        connection.execute(EMPTY)
    return True


def _new_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


def _url_of(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)
