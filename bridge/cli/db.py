"""db: look after the database."""

from __future__ import annotations

import sys
from typing import Any

import click

from bridge.cli import output
from bridge.cli.selection import AS_JSON, settings_of
from bridge.errors import StoreError


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
    from bridge.store import checkup
    from bridge.store.database import Database

    database = Database(settings_of(config).database_url)
    if database.is_sqlite and not database.path.exists():
        raise StoreError(f"there is no database {database.path}: nothing was received yet")
    try:
        found = checkup.look(database)
    finally:
        database.close()
    if as_json:
        output.json_line(found)
    else:
        _print(found)
    sys.exit(1 if found["problems"] else 0)


def _print(found: dict[str, Any]) -> None:
    output.answer(f"{found['url']}  {found['version']}, schema {found['revision']}")
    output.answer(", ".join(f"{count} rows of {name}" for name, count in found["counts"].items() if count is not None))
    for note in found["notes"]:
        output.say(f"note: {note}")
    for problem in found["problems"]:
        click.echo(click.style("wrong: ", fg="red") + output.clean(problem))
    if not found["problems"]:
        click.secho("nothing is wrong", fg="green")
