"""Whether a database is whole: its schema, its file, that what belongs together is there, and where
it is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, text

from bridge.store.db import clock, disk_space
from bridge.store.db.database import Database
from bridge.store.db.disk_space import MIB
from bridge.store.migrations import upgrade
from bridge.store.operations import invariants
from bridge.store.tables import key_usage
from bridge.store.tables.schema import HEAD

Version = tuple[int, int, int]
#: Versions of SQLite with a bug that matters here: from, before, those between that have the fix
#: too, and what it does.
SQLITE_BUGS: Final[
    tuple[tuple[Version, Version, tuple[tuple[Version, Version], ...], str], ...]
] = (
    (
        (3, 7, 0),
        (3, 51, 3),
        (((3, 44, 6), (3, 45, 0)), ((3, 50, 7), (3, 51, 0))),
        (
            "a very rare bug that can damage a database in WAL mode if two connections write or"
            " checkpoint at the same moment (fixed in 3.51.3, 3.50.7 and 3.44.6):"
            " https://sqlite.org/wal.html#walresetbug. flowbridge's processes take turns in"
            " writing; do not write to its database with other programs"
        ),
    ),
    (
        (3, 52, 0),
        (3, 52, 1),
        (),
        "flaws for which it was withdrawn by its makers: https://sqlite.org/changes.html",
    ),
)
# bytes of a write-ahead log that somebody keeps from being started afresh
LARGE_WAL_BYTES: Final = 256 * MIB
LARGE_FREE_BYTES: Final = 256 * MIB  # bytes of free pages that are worth giving back
#: Settings of a PostgreSQL server that matter: the values that are right, and what is to be known
#: of others. `reset_val` is what a session begins with, before it insists on something
#: (bridge/store/db/postgres.py).
POSTGRES_SETTINGS = {
    "fsync": (
        ("on",),
        "fsync is off: a crash of the machine can lose and damage what was acknowledged",
    ),
    "full_page_writes": (
        ("on",),
        (
            "full_page_writes is off: a crash of the machine can damage the database, unless its"
            " disk tears no page"
        ),
    ),
    "server_encoding": (
        ("UTF8",),
        (
            "the encoding of the database is not UTF8: texts of senders that it does not know are"
            " refused"
        ),
    ),
    "synchronous_commit": (
        ("on", "local", "remote_write", "remote_apply"),
        (
            "synchronous_commit is off for others; each connection of flowbridge turns it on for"
            " itself"
        ),
    ),
}
MIN_POSTGRES_VERSION = 140000  # PostgreSQL 14, as server_version_num has it
PAGE_PRAGMAS = ("page_size", "page_count", "freelist_count")
COUNTED_TABLES = ("event", "delivery", "attempt", "local_run")


def look(database: Database, files: Iterable[str | None] = ()) -> dict[str, Any]:
    """Return what is found: `url version revision counts size sealed problems notes`; problems are
    what is wrong, notes what to know.

    `files`: of each in the data folder the id of the key that it is sealed with, null for one in
    clear. `sealed` is empty where there are no keys and nothing is sealed.
    """
    revision = upgrade.revision(database)
    problems = (
        []
        if revision == HEAD
        else [f"the schema is {revision or 'missing'}, not {HEAD}: {upgrade.remedy(revision)}"]
    )
    counts: dict[str, int | None] = dict.fromkeys(COUNTED_TABLES)
    problems += damage(database)
    with database.read() as connection:
        if revision is not None:
            counts = {
                name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar()  # noqa: S608 - names of our own tables and columns
                for name in COUNTED_TABLES
            }
        if revision == HEAD:
            problems += invariants.find_violations(connection)
        version = version_of(connection, database)
        size = _read_size(connection, database)
        notes = (
            [*find_sqlite_bugs(sqlite3.sqlite_version_info)]
            if database.is_sqlite
            else _server_notes(connection)
        )
    if database.is_sqlite:
        problems += _disk_problems(database)
        notes += _file_notes(database, size)
    elif abs(ahead := clock.ahead(database)) > clock.WORTH_SAYING:
        notes.append(
            f"the database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
            " this machine's"
        )
    sealed = key_usage.listed(database, files) if revision == HEAD else []
    problems += key_usage.problems(sealed, database.sealer)
    notes += key_usage.notes(sealed, database.sealer)
    url = database.url.render_as_string(hide_password=True)
    return {
        "url": url,
        "version": version,
        "revision": revision,
        "counts": counts,
        "size": size,
        "sealed": sealed,
        "problems": problems,
        "notes": notes,
    }


def damage(database: Database) -> list[str]:
    """Return what is wrong with the file of a SQLite database: pages, indexes, constraints. It is
    read from end to end.
    """
    if not database.is_sqlite:
        return []
    with database.read() as connection:
        lines = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    damaged = [f"integrity: {line}" for line in lines if line != "ok"]
    return [*damaged, "restore a backup: flowbridge db restore"] if damaged else []


def find_sqlite_bugs(version: tuple[int, ...]) -> Iterator[str]:
    """Yield what is to be known of a version of SQLite."""
    for first, fixed, also_fixed, what in SQLITE_BUGS:
        if first <= version[:3] < fixed and not any(
            since <= version[:3] < until for since, until in also_fixed
        ):
            yield f"SQLite {'.'.join(map(str, version[:3]))} has {what}"


def version_of(connection: Connection, database: Database) -> str:
    """Return which database it is, in which version."""
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"


def _read_size(connection: Connection, database: Database) -> dict[str, int | None]:
    """Bytes: of the database, of it that are free, of the write-ahead log, and that the disk has
    left; null where that is not known.
    """
    if not database.is_sqlite:
        whole = connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
        return {"database": whole, "unused": None, "log": None, "disk_free": None}
    page, pages, unused = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in PAGE_PRAGMAS
    )
    log = database.path.with_name(database.path.name + "-wal")
    return {
        "database": page * pages,
        "unused": page * unused,
        "log": log.stat().st_size if log.exists() else 0,
        "disk_free": disk_space.free(database.path)[0],
    }


def _disk_problems(database: Database) -> list[str]:
    found = disk_space.kind(database.path) or ""
    problems = []
    if disk_space.NETWORKED.fullmatch(found):
        problems.append(
            f"the database is on a network file system ({found}), where a write-ahead log does not"
            " work: move it to a local disk, or use PostgreSQL"
        )
    left, reserve = disk_space.free(database.path)
    if left < reserve:
        problems.append(
            f"the disk has {left / MIB:.0f} MiB left, so new events are refused (503): make room,"
            " or shorten `retention` and flowbridge db prune"
        )
    return problems


def _file_notes(database: Database, size: dict[str, int | None]) -> Iterator[str]:
    if disk_space.kind(database.path) in disk_space.FLEETING:
        yield "the database is in memory (tmpfs): it is gone when the machine restarts"
    if (log := size["log"] or 0) > LARGE_WAL_BYTES:
        yield (
            f"the write-ahead log has {log / MIB:.0f} MiB: something reads in one go for long, such"
            " as a backup; it shrinks afterwards"
        )
    if (unused := size["unused"] or 0) > LARGE_FREE_BYTES:
        yield (
            f"{unused / MIB:.0f} MiB of the file are free for what comes in; flowbridge db vacuum"
            " gives them back to the disk"
        )


def _server_notes(connection: Connection) -> list[str]:
    """What is to be known of a PostgreSQL server."""
    query = text("SELECT name, reset_val FROM pg_settings WHERE name = ANY(:names) ORDER BY name")
    found = [
        (POSTGRES_SETTINGS[row.name], row.reset_val)
        for row in connection.execute(query, {"names": list(POSTGRES_SETTINGS)})
    ]
    notes = [note for (right, note), value in found if value not in right]
    if (
        connection.exec_driver_sql("SELECT current_setting('server_version_num')::int").scalar_one()
        < MIN_POSTGRES_VERSION
    ):
        notes.append("PostgreSQL before 14 is not what flowbridge is tested with")
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
        notes.append("this server is a standby: nothing can be written to it")
    return notes
