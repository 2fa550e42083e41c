"""db: look after the database."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import click

from bridge.cli import output
from bridge.cli.selection import AS_JSON, settings_of
from bridge.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.store.database import Database

WAL_RESET = (3, 7, 0), (3, 51, 2)  # the versions with the bug, first and last: https://sqlite.org/wal.html#walresetbug
ORPHANS = {
    "deliveries without an event": "delivery x WHERE NOT EXISTS (SELECT 1 FROM event y WHERE y.id = x.event_id)",
    "attempts without a delivery": "attempt x WHERE NOT EXISTS (SELECT 1 FROM delivery y WHERE y.id = x.delivery_id)",
}
COUNTED = ("event", "delivery", "attempt", "local_run")


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.pass_obj
def upgrade(config: str | None, /) -> None:
    """Bring the database's schema up to this version. Every start does so by itself; this can be a step of a deployment.

    \b
    flowbridge db upgrade
    """
    from bridge.store import migrate
    from bridge.store.database import Database

    database = Database(settings_of(config).database_url)
    try:
        before, now = migrate.upgrade(database)
    finally:
        database.close()
    was = f" (it was {before})" if before else ""
    output.answer(f"the schema is {now} already" if before == now else f"the schema is {now} now{was}")


@db.command("check")
@AS_JSON
@click.pass_obj
def check_(config: str | None, /, as_json: bool) -> None:
    """Check the database: its schema, the file's integrity, and that what belongs together is there.

    On a large database this takes a while; flowbridge may go on running. Exit code 1: something is wrong.

    \b
    flowbridge db check
    """
    from bridge.store.database import Database

    database = Database(settings_of(config).database_url)
    if database.is_sqlite and not database.path.exists():
        raise StoreError(f"there is no database {database.path}: nothing was received yet")
    try:
        found = _look(database)
    finally:
        database.close()
    if as_json:
        output.json_line(found)
    else:
        _print(found)
    sys.exit(1 if found["problems"] else 0)


def _look(database: Database) -> dict[str, Any]:
    from sqlalchemy import text

    from bridge.store import migrate
    from bridge.store.tables import HEAD

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


def _print(found: dict[str, Any]) -> None:
    output.answer(f"{found['url']}  {found['version']}, schema {found['revision']}")
    output.answer(", ".join(f"{count} rows of {name}" for name, count in found["counts"].items() if count is not None))
    for note in found["notes"]:
        output.say(f"note: {note}")
    for problem in found["problems"]:
        click.echo(click.style("wrong: ", fg="red") + output.clean(problem))
    if not found["problems"]:
        click.secho("nothing is wrong", fg="green")
