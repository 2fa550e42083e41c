"""Access to the store of a bridge for one command: opened, checked, and closed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.core.errors import NotFound, SettingsError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

SQLITE_HEAD = b"SQLite format 3\0"


def find_database(settings: Settings) -> Database:
    """Return the database of the settings, whether it exists or not.

    `SettingsError` where there is neither its file nor a routes.yaml; `PermissionError` and
    `StoreError`, with the path, where the file cannot be read or is no database.
    """
    return _find_database(settings)[0]


@contextmanager
def open_store(settings: Settings) -> Iterator[Database | None]:
    """Give the store, None where there is none yet: reading creates none.

    `StoreError` where its schema is not this version's; `SettingsError` where there is neither a
    store nor a routes.yaml.
    """
    from bridge.store.migrations import upgrade
    from bridge.store.tables.schema import HEAD

    database, is_created = _find_database(settings)
    if not is_created:
        yield None
        return
    try:
        revision = upgrade.revision(database)
        if revision is None:
            yield None
            return
        if revision != HEAD:
            raise StoreError(
                f"the database has schema {revision}, this flowbridge wants {HEAD}:"
                f" {upgrade.remedy(revision)}"
            )
        yield database
    finally:
        database.close()


@contextmanager
def open_store_to_change(settings: Settings) -> Iterator[Database]:
    """Give the store, and wake the workers at the end, also after an exception.

    `NotFound` where there is no store yet; else raises as `open_store` does.
    """
    from bridge.store.db.notify import ring

    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        try:
            yield database
        finally:
            ring(database)


def _find_database(settings: Settings) -> tuple[Database, bool]:
    """Return the database, and whether it exists; of PostgreSQL that is not asked."""
    from bridge.store.db.database import Database

    database = Database.of(settings)
    if not database.is_sqlite:
        return database, True
    is_created = database.path.exists()
    if is_created:
        _check_format(database.path)
    else:
        _require_routes_file(settings)
    return database, is_created


def _check_format(path: Path) -> None:
    """Read how the file begins, since SQLite's own errors do not name it.

    https://www.sqlite.org/fileformat.html#magic_header_string; an empty file is a new database.
    """
    with path.open("rb") as file:
        head = file.read(len(SQLITE_HEAD))
    if head and head != SQLITE_HEAD:
        raise StoreError(
            f"{path} is no SQLite database. Next: move it away, then `flowbridge db restore` brings"
            " a backup back, or `flowbridge serve` begins a new database"
        )


def _require_routes_file(settings: Settings) -> None:
    """Raise `SettingsError` without a routes.yaml: the command was most likely called in another
    folder than meant.
    """
    file = settings.config
    if not file.exists():
        hint = (
            "change to your project's folder, or pass --config FILE (`flowbridge init` makes a"
            " project)"
        )
        raise SettingsError(
            f"there is no {file.name} in {file.absolute().parent}, and no database: {hint}"
        )
