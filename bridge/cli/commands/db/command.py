"""db: the commands that maintain the database."""

from __future__ import annotations

import sys
from typing import Any

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.commands.db.backup import backup, restore
from bridge.cli.commands.db.copy import copy
from bridge.cli.commands.db.hold import hold, release
from bridge.cli.commands.db.prune import prune
from bridge.cli.commands.db.rekey import rekey
from bridge.cli.commands.db.vacuum import vacuum
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.core.errors import StoreError
from bridge.services.store_access import find_database


@click.group()
def db() -> None:
    """Maintain the database: back up, restore, prune, copy, upgrade, check."""


for command in (prune, backup, restore, hold, release, vacuum, copy, rekey):
    db.add_command(command)


@db.command()
@click.pass_obj
def upgrade(config: str | None, /) -> None:
    """Upgrade the schema of the database to this version. Every start does this automatically; the
    command can be a step of a deployment.

    \b
    flowbridge db upgrade
    """
    from bridge.store.migrations import upgrade as schema_upgrade

    database = find_database(settings_of(config))
    try:
        before, now = schema_upgrade.upgrade(database)
    finally:
        database.close()
    was = f" (it was {before})" if before else ""
    output.answer(
        f"the schema is already {now}" if before == now else f"the schema is now {now}{was}"
    )


@db.command("check")
@AS_JSON
@click.pass_obj
def check_(config: str | None, /, as_json: bool) -> None:
    """Check the database: its schema, the integrity of the file, the references between records,
    and the encryption keys in use.

    This takes a while on a large database. flowbridge can keep running. Exit code 1: a problem was
    found.

    \b
    flowbridge db check
    """
    from bridge.store.blobs import BlobStore
    from bridge.store.operations import checkup

    settings = settings_of(config)
    database = find_database(settings)
    if database.is_sqlite and not database.path.exists():
        raise StoreError(f"there is no database {database.path}: nothing has been received yet")
    try:
        report = checkup.check_database(database, BlobStore.of(settings).keys())
    finally:
        database.close()
    if settings.encryption_keys and not settings.environ.get("FLOWBRIDGE_SECRET_KEY"):
        report["notes"].append(
            "FLOWBRIDGE_SECRET_KEY is not set: anyone who copies the data folder has the key of the"
            " digests, and can test guesses"
        )
    if as_json:
        output.json_line(report)
    else:
        _print(report)
    sys.exit(1 if report["problems"] else 0)


def _print(report: dict[str, Any]) -> None:
    output.answer(f"{report['url']}  {report['version']}, schema {report['revision']}")
    output.answer(
        ", ".join(
            f"{output.number(count, 'row')} of {name}"
            for name, count in report["counts"].items()
            if count is not None
        )
    )
    for group in report["sealed"]:
        how = f"encrypted with the key {group['key']}" if group["key"] else "in plaintext"
        output.answer(f"{group['what']}: {group['values']} {how}")
    for note in report["notes"]:
        output.say(f"note: {note}")
    for problem in report["problems"]:
        click.echo(click.style("wrong: ", fg="red") + output.clean(problem))
    if not report["problems"]:
        click.secho("no problems found", fg="green")
