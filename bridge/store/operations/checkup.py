"""The check of a database: its schema, file, rows, server settings and location.

A row that violates an invariant is a bug, or a change made to the database by hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from bridge.core.advice import name_command
from bridge.core.units import MIB
from bridge.store.db import clock, disk_space, session_check
from bridge.store.db.database import Database
from bridge.store.migrations import upgrade
from bridge.store.tables import key_usage
from bridge.store.tables.schema import HEAD, describe_other_schema

MAX_NAMED_IDS: Final = 3  # ids that a message names


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule for the rows of the store.

    `violations`: FROM and WHERE of a query for the rows that violate it; `row_id`: the column that
    identifies such a row; `remedy`: the next step.
    """

    name: str
    violations: str
    row_id: str = "x.id"
    remedy: str = "report this bug with the output of flowbridge show"


_RUN_ENDED = "x.state IN ('DONE', 'FAILED', 'TERMINATED')"
_NO_SUCH = "NOT EXISTS (SELECT 1 FROM {table} y WHERE y.{key} = x.{of})"


def _orphans(
    name: str,
    table: str,
    of: str,
    owner: str,
    key: str = "id",
    row_id: str = "x.id",
    also: str = "",
) -> Invariant:
    return Invariant(
        name,
        f"{table} x WHERE {_NO_SUCH.format(table=owner, key=key, of=of)}{also}",
        row_id,
        "rows were lost: restore a backup into an empty folder and compare",
    )


_FREE_SLOT = (
    "the platform has fewer free slots than it should: run flowbridge retry or cancel on them"
)
INVARIANTS: Final = (
    _orphans("deliveries without an event", "delivery", "event_id", "event"),
    _orphans(
        "attempts without a delivery", "attempt", "delivery_id", "delivery", row_id="x.delivery_id"
    ),
    _orphans("operation items without an operation", "act_item", "act", "act", "seq", "x.item_id"),
    _orphans(
        "files without a run",
        "local_file",
        "run_id",
        "local_run",
        row_id="x.name",
        also=" AND x.run_id <> ''",
    ),
    Invariant(
        "deliveries that hold a lease but are not being sent",
        "delivery x WHERE x.lease IS NOT NULL AND x.status <> 'sending'",
    ),
    Invariant(
        "deliveries that are being sent without a lease",
        "delivery x WHERE x.status = 'sending' AND x.lease IS NULL",
    ),
    Invariant(
        "deliveries that hold a platform slot but are neither sending nor delivered",
        "delivery x WHERE x.slot AND x.status NOT IN ('sending', 'delivered')",
        remedy=_FREE_SLOT,
    ),
    Invariant(
        "deliveries that hold a platform slot after their run ended",
        "delivery x WHERE x.slot AND x.status = 'delivered' AND x.poll_at IS NULL",
        remedy=_FREE_SLOT,
    ),
    Invariant(
        "deliveries that are due for polling but have no run to poll",
        "delivery x WHERE x.poll_at IS NOT NULL AND x.status NOT IN ('delivered', 'unknown')",
    ),
    Invariant(
        "dead deliveries without a reason",
        "delivery x WHERE x.status = 'dead' AND (x.reason IS NULL OR x.dead_kind IS NULL)",
    ),
    Invariant(
        "attempts without an outcome whose delivery is not being sent",
        "attempt x JOIN delivery d ON d.id = x.delivery_id WHERE x.outcome IS NULL AND d.status <>"
        " 'sending'",
        "x.delivery_id",
    ),
    Invariant(
        "blocked deliveries with no delivery at the head of their ordering key",
        "delivery x WHERE x.status = 'blocked' AND NOT EXISTS (SELECT 1 FROM delivery y WHERE"
        " y.holds_key AND y.route = x.route AND y.order_key = x.order_key)",
        remedy="a worker repairs this within a minute: check that one is running",
    ),
    Invariant(
        "deliveries that hold an ordering key they should have released",
        "delivery x WHERE x.holds_key AND (x.status IN ('cancelled', 'shadow') OR (x.status ="
        " 'dead' AND NOT x.order_blocks))",
    ),
    Invariant(
        "deliveries with a debounce deadline that are not queued",
        "delivery x WHERE x.debounce_until IS NOT NULL AND x.status <> 'queued'",
    ),
    Invariant(
        "local runs that ended but hold a lease",
        f"local_run x WHERE x.lease IS NOT NULL AND {_RUN_ENDED}",
    ),
    Invariant(
        "local runs that ended but have no end time",
        f"local_run x WHERE x.finished_at IS NULL AND {_RUN_ENDED}",
    ),
    Invariant(
        "operations that processed more items than they selected",
        "act x WHERE x.done + x.refused > x.chosen",
    ),
)


def find_violations(connection: Connection) -> list[str]:
    """Return a message for each violated invariant: the count, some ids, and the next step."""
    messages = []
    for invariant in INVARIANTS:
        ids = (
            connection.execute(
                text(f"SELECT {invariant.row_id} FROM {invariant.violations} LIMIT {MAX_NAMED_IDS}")  # noqa: S608 - names of our own tables and columns
            )
            .scalars()
            .all()
        )
        if ids:
            counting = text(f"SELECT count(*) FROM {invariant.violations}")  # noqa: S608 - our tables
            count = connection.execute(counting).scalar_one()
            named = ", ".join(map(str, ids)) + (", …" if count > len(ids) else "")
            messages.append(f"{count} {invariant.name} ({named}): {invariant.remedy}")
    return messages


Version = tuple[int, int, int]
#: Versions of SQLite with a bug that matters here: the first, the one with the fix, ranges between
#: them that have the fix too, and the effect.
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
            " https://sqlite.org/wal.html#walresetbug. flowbridge's processes never write at the"
            " same time; do not write to its database with other programs"
        ),
    ),
    (
        (3, 52, 0),
        (3, 52, 1),
        (),
        "bugs for which its developers withdrew it: https://sqlite.org/changes.html",
    ),
)
# bytes of a write-ahead log that a long read keeps from being reset
LARGE_WAL_BYTES: Final = 256 * MIB
LARGE_FREE_BYTES: Final = 256 * MIB  # bytes of free pages that are worth returning to the disk
#: Settings of a PostgreSQL server that matter: the right values, and a note for any other value.
#: `reset_val` is the value of a new session, before flowbridge sets its own
#: (bridge/store/db/postgres.py).
POSTGRES_SETTINGS = {
    "fsync": (
        ("on",),
        "fsync is off: a crash of the machine can lose or corrupt acknowledged events",
    ),
    "full_page_writes": (
        ("on",),
        (
            "full_page_writes is off: a crash of the machine can corrupt the database, unless its"
            " disk writes pages atomically"
        ),
    ),
    "server_encoding": (
        ("UTF8",),
        ("the encoding of the database is not UTF8: it refuses text that it cannot represent"),
    ),
    "synchronous_commit": (
        ("on", "local", "remote_write", "remote_apply"),
        ("synchronous_commit is off on the server; flowbridge turns it on for its own connections"),
    ),
}
MIN_POSTGRES_VERSION = 140000  # PostgreSQL 14, as server_version_num has it
PAGE_PRAGMAS = ("page_size", "page_count", "freelist_count")
COUNTED_TABLES = ("event", "delivery", "attempt", "local_run")


def check_database(database: Database, files: Iterable[str | None] = ()) -> dict[str, Any]:
    """Check the database and return `url version revision counts size sealed problems notes`.

    `files`: for each file in the data folder the id of the key that encrypts it, null for
    plaintext. `sealed` is empty where there are no keys and nothing is encrypted.
    """
    revision = upgrade.read_revision(database)
    problems = []
    if revision != HEAD:
        problems.append(f"the database has {describe_other_schema(revision)}")
    counts: dict[str, int | None] = dict.fromkeys(COUNTED_TABLES)
    problems += find_damage(database)
    if session_check.has_shared_sessions(database):
        problems.append(session_check.SHARED_SESSIONS)
    with database.read() as connection:
        if revision is not None:
            counts = {
                name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar()  # noqa: S608 - names of our own tables and columns
                for name in COUNTED_TABLES
            }
        if revision == HEAD:
            problems += find_violations(connection)
        version = read_version(connection, database)
        size = _read_size(connection, database)
        notes = (
            [*find_sqlite_bugs(sqlite3.sqlite_version_info)]
            if database.is_sqlite
            else _server_notes(connection)
        )
    if database.is_sqlite:
        problems += _disk_problems(database)
        notes += _file_notes(database, size)
    elif abs(ahead := clock.measure_offset(database)) > clock.REPORTED_DIFFERENCE_SECONDS:
        notes.append(
            f"the database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
            " this machine's"
        )
    sealed = key_usage.list_key_usage(database, files) if revision == HEAD else []
    problems += key_usage.find_missing_keys(sealed, database.sealer)
    notes += key_usage.find_rekey_notes(sealed, database.sealer)
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


def find_damage(database: Database) -> list[str]:
    """Return the damage to the file of a SQLite database: pages, indexes, constraints.

    Reads the whole file.
    """
    if not database.is_sqlite:
        return []
    with database.read() as connection:
        lines = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    damaged = [f"integrity: {line}" for line in lines if line != "ok"]
    return [*damaged, "restore a backup with flowbridge db restore"] if damaged else []


def find_sqlite_bugs(version: tuple[int, ...]) -> Iterator[str]:
    """Yield a note for each known bug of a version of SQLite."""
    for first, fixed, also_fixed, what in SQLITE_BUGS:
        if first <= version[:3] < fixed and not any(
            since <= version[:3] < until for since, until in also_fixed
        ):
            yield f"SQLite {'.'.join(map(str, version[:3]))} has {what}"


def read_version(connection: Connection, database: Database) -> str:
    """Return the name and version of the database."""
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"


def _read_size(connection: Connection, database: Database) -> dict[str, int | None]:
    """Return bytes: of the database, free in it, of the write-ahead log, and free on the disk.

    Null where the number is unknown.
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
        "disk_free": disk_space.free_space(database.path)[0],
    }


def _disk_problems(database: Database) -> list[str]:
    file_system = disk_space.file_system_type(database.path) or ""
    problems = []
    if disk_space.NETWORK_FILE_SYSTEMS.fullmatch(file_system):
        problems.append(
            f"the database is on a network file system ({file_system}), where a write-ahead log"
            " does not work: move it to a local disk or use PostgreSQL"
        )
    left, reserve = disk_space.free_space(database.path)
    if left < reserve:
        problems.append(
            f"the disk has {left / MIB:.0f} MiB left, so new events are refused (503): free disk"
            f" space, or shorten `retention` and run {name_command('db prune')}"
        )
    return problems


def _file_notes(database: Database, size: dict[str, int | None]) -> Iterator[str]:
    if disk_space.file_system_type(database.path) in disk_space.MEMORY_FILE_SYSTEMS:
        yield "the database is in memory (tmpfs): a restart of the machine deletes it"
    if (log := size["log"] or 0) > LARGE_WAL_BYTES:
        yield (
            f"the write-ahead log has {log / MIB:.0f} MiB: a long read is running, such as a"
            " backup; the log shrinks when it ends"
        )
    if (unused := size["unused"] or 0) > LARGE_FREE_BYTES:
        yield (
            f"{unused / MIB:.0f} MiB of the file are free for new rows; {name_command('db vacuum')}"
            " returns them to the disk"
        )


def _server_notes(connection: Connection) -> list[str]:
    """Return notes about the settings of a PostgreSQL server."""
    query = text("SELECT name, reset_val FROM pg_settings WHERE name = ANY(:names) ORDER BY name")
    settings = [
        (POSTGRES_SETTINGS[row.name], row.reset_val)
        for row in connection.execute(query, {"names": list(POSTGRES_SETTINGS)})
    ]
    notes = [note for (right, note), value in settings if value not in right]
    if (
        connection.exec_driver_sql("SELECT current_setting('server_version_num')::int").scalar_one()
        < MIN_POSTGRES_VERSION
    ):
        notes.append("flowbridge is not tested with PostgreSQL before 14")
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one():
        notes.append("this server is a standby and accepts no writes")
    return notes
