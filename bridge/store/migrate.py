"""Bring the database's schema up to this version, safely when several processes start at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from bridge.errors import StoreError
from bridge.store.database import Database
from bridge.store.tables import HEAD

ADVISORY_LOCK = 0x666C6F77  # PostgreSQL's lock for migrations; any number, the same for everyone


def revision(database: Database) -> str | None:
    """Return the schema's revision, or None for a database without one."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(database: Database) -> tuple[str | None, str]:
    """Migrate to the newest schema and return (revision before, revision now); a database that is newer is refused."""
    if database.is_sqlite:
        database.path.parent.mkdir(parents=True, exist_ok=True)
        # Made here, for its owner alone: SQLite would let everyone read what senders wrote. Its other files take after it.
        os.close(os.open(database.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with _alone(database) as connection:
        before = revision(database)
        if before != HEAD:
            _run_alembic(connection, before)
    return before, HEAD


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """Give a connection to the one process that may migrate; the others wait here until it is done."""
    if not database.is_sqlite:
        with database.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            yield connection
        return
    fd = os.open(database.path.with_name(database.path.name + ".migrate"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with database.engine.connect() as connection:
            yield connection
            connection.commit()
    finally:
        os.close(fd)


def _run_alembic(connection: Connection, before: str | None) -> None:
    # Imported here: most starts find nothing to migrate, and Alembic is a tenth of a second.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
    if before is not None and before not in known:
        raise StoreError(f"the database has schema {before}, which is newer than this version of flowbridge ({HEAD}): upgrade flowbridge")
    command.upgrade(settings, "head")
