"""db vacuum: give what is free of the file back to the disk."""

from __future__ import annotations

import time

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import YES
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.core.errors import NotFound, StoreError
from bridge.services.store_access import open_store

MIB = 1024 * 1024


@click.command()
@click.option(
    "--anew",
    is_flag=True,
    help="Write the file anew, though it could give pages back: nothing of what was erased stays.",
)
@AS_JSON
@YES
@click.pass_obj
def vacuum(config: str | None, /, anew: bool, as_json: bool, yes: bool) -> None:
    """Give what is free of the SQLite file back to the disk, such as after db prune. Seldom needed:
    what comes in uses it again.

    It goes a few pages at a time, and needs no room. A file that was made before flowbridge could
    do so is written anew, once, after a
    question: senders wait meanwhile, and the disk must have twice the room. --anew does so with
    any, as after erase.

    \b
    flowbridge db vacuum
    flowbridge db vacuum --anew
    """
    from bridge.store.db import vacuum as database_vacuum
    from bridge.store.operations import erase

    with open_store(settings_of(config)) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        if not database.is_sqlite:
            raise StoreError("PostgreSQL does so by itself (autovacuum)")
        before = database_vacuum.pages(database)
        if before.incremental and not anew:
            with progress_bar("vacuum", before.free) as advance:
                while gone := database.write(database_vacuum.step):
                    advance(gone)
                    time.sleep(0.01)
        else:
            question = (
                f"{before.count * before.size / MIB:.0f} MiB are written anew, and senders wait"
                " meanwhile"
            )
            if confirm(question, 1, dry_run=False, yes=yes, as_json=as_json):
                database_vacuum.rewrite(database)
                erase.settle_file(database)
        after = database_vacuum.pages(database)
    if as_json:
        output.json_line(
            {
                "before": before.count * before.size,
                "after": after.count * after.size,
                "unused": after.free * after.size,
            }
        )
    else:
        output.answer(
            f"the file has {after.count * after.size / MIB:.1f} MiB; it had"
            f" {before.count * before.size / MIB:.1f}"
        )
