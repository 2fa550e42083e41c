"""Access to the store of a bridge for one command: open it, check it, and close it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.core.errors import NotFound, SettingsError, StoreError
from bridge.system.garbage_collection import pause_collection

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database


def find_database(settings: Settings) -> Database:
    """Return the database of the settings, whether it exists or not.

    `SettingsError` where there is neither its file nor a routes.yaml. `PermissionError` and
    `StoreError`, with the path, where the file cannot be read or is not a database.
    """
    return _find_database(settings)[0]


@contextmanager
def open_store(settings: Settings) -> Iterator[Database | None]:
    """Open the store to read, None where there is none yet: it is not created.

    `StoreError` where its schema is of another version. `SettingsError` where there is neither a
    store nor a routes.yaml.
    """
    with pause_collection():
        from bridge.store.db.session_check import check_sessions
        from bridge.store.migrations import upgrade
        from bridge.store.tables.schema import HEAD, describe_other_schema

    database, is_created = _find_database(settings)
    if not is_created:
        yield None
        return
    try:
        check_sessions(database)
        revision = upgrade.read_revision(database)
        if revision is None:
            yield None
            return
        if revision != HEAD:
            raise StoreError(f"the database has {describe_other_schema(revision)}")
        yield database
    finally:
        database.close()


@contextmanager
def open_or_create_store(settings: Settings) -> Iterator[Database]:
    """Open the store, and create it first where there is none yet; otherwise as `open_store`."""
    from bridge.store.migrations import upgrade

    with open_store(settings) as database:
        if database is not None:
            yield database
            return
    new = _find_database(settings)[0]
    try:
        upgrade.upgrade(new)
        yield new
    finally:
        new.close()


@contextmanager
def open_store_to_change(settings: Settings) -> Iterator[Database]:
    """Open the store to change it, and wake the workers at the end, also after an exception.

    `NotFound` where there is no store yet; otherwise as `open_store`.
    """
    from bridge.store.db.notify import notify_workers

    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        try:
            yield database
        finally:
            notify_workers(database)


def _find_database(settings: Settings) -> tuple[Database, bool]:
    """Return the database and whether it exists, which is not checked for PostgreSQL."""
    from bridge.store.db.database import Database
    from bridge.store.db.sqlite_file import check_sqlite_file

    database = Database.of(settings)
    if not database.is_sqlite:
        return database, True
    is_created = database.path.exists()
    if is_created:
        check_sqlite_file(database.path)
    else:
        _require_routes_file(settings)
    return database, is_created


def _require_routes_file(settings: Settings) -> None:
    """Raise `SettingsError` without a routes.yaml: the command may run in a wrong folder."""
    file = settings.config
    if not file.exists():
        hint = (
            "change to your project's folder, or pass --config FILE (`flowbridge init` creates a"
            " project)"
        )
        raise SettingsError(
            f"there is no {file.name} in {file.absolute().parent}, and no database: {hint}"
        )
