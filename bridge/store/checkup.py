"""Whether a database is whole: its schema, its file, and that what belongs together is there."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, text

from bridge.store import migrate
from bridge.store.database import Database
from bridge.store.tables import HEAD

WAL_RESET = (3, 7, 0), (3, 51, 2)  # the versions with the bug, first and last: https://sqlite.org/wal.html#walresetbug
ORPHANS = {
    "deliveries without an event": "delivery x WHERE NOT EXISTS (SELECT 1 FROM event y WHERE y.id = x.event_id)",
    "attempts without a delivery": "attempt x WHERE NOT EXISTS (SELECT 1 FROM delivery y WHERE y.id = x.delivery_id)",
}
COUNTED = ("event", "delivery", "attempt", "local_run")


def look(database: Database) -> dict[str, Any]:
    """Return what is found: `url version revision counts problems notes`; problems are what is wrong, notes what to know."""
    revision = migrate.revision(database)
    problems = [] if revision == HEAD else [f"the schema is {revision or 'missing'}, not {HEAD}: flowbridge db upgrade"]
    counts: dict[str, int | None] = dict.fromkeys(COUNTED)
    with database.read() as connection:
        if database.is_sqlite:
            lines = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
            problems += [f"integrity: {line}" for line in lines if line != "ok"]
        if revision is not None:
            counts = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() for name in COUNTED}  # noqa: S608
            for what, rows in ORPHANS.items():
                count = connection.execute(text(f"SELECT count(*) FROM {rows}")).scalar()  # noqa: S608
                problems += [f"{count} {what}"] if count else []
        version = _version(connection, database)
    notes = []
    if database.is_sqlite and WAL_RESET[0] <= sqlite3.sqlite_version_info <= WAL_RESET[1]:
        notes.append(
            f"SQLite {sqlite3.sqlite_version} has a very rare bug that can damage a database in WAL mode if two connections "
            "write or checkpoint at the same moment (3.7.0 to 3.51.2, fixed in 3.51.3): https://sqlite.org/wal.html#walresetbug"
        )
    url = database.url.render_as_string(hide_password=True)
    return {"url": url, "version": version, "revision": revision, "counts": counts, "problems": problems, "notes": notes}


def _version(connection: Connection, database: Database) -> str:
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"
