"""Run migrations with Alembic. Imported only where there is one to run: it takes 0.1 s."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bridge.core.errors import StoreError
from bridge.store.migrations.concurrent_indexes import ConcurrentIndex
from bridge.store.tables.schema import describe_other_schema


def find_concurrent_indexes(before: str) -> tuple[ConcurrentIndex, ...]:
    """Return the indexes that are built before the step that follows a revision.

    Raises `StoreError` for a revision that this version does not have.
    """
    for script in ScriptDirectory.from_config(_settings()).walk_revisions():
        if script.down_revision == before:
            indexes: tuple[ConcurrentIndex, ...] = getattr(script.module, "CONCURRENT_INDEXES", ())
            return indexes
    raise StoreError(f"the database has {describe_other_schema(before)}")


def run_next(connection: Connection, before: str | None) -> None:
    """Run the step that follows a revision, or all of them in an empty database."""
    settings = _settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head" if before is None else "+1")


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    return settings
