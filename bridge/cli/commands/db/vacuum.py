"""db vacuum: return free space of the database file to the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import YES
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, RenamedFlag
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.core.errors import NotFound, StoreError
from bridge.core.units import MIB
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.db.vacuum import PageCounts


@click.command()
@click.option(
    "--rewrite",
    cls=RenamedFlag,
    old_name="--anew",
    is_flag=True,
    help="Rewrite the whole file, so that no erased data stays in it.",
)
@AS_JSON
@YES
@click.pass_obj
def vacuum(config: str | None, /, rewrite: bool, as_json: bool, yes: bool) -> None:
    """Return free space of the SQLite file to the disk, such as after db prune. Seldom needed: new
    data uses the free space.

    It works a few pages at a time, and needs no extra space. With --rewrite the whole file is
    rewritten, such as after erase: senders wait meanwhile, and the disk needs twice the space.

    \b
    flowbridge db vacuum
    flowbridge db vacuum --rewrite
    """
    from bridge.store.db import vacuum as database_vacuum
    from bridge.store.operations import erase

    with open_store(settings_of(config)) as database:
        if database is None:
            raise NotFound("nothing has been received yet: there is no database")
        if not database.is_sqlite:
            raise StoreError("PostgreSQL does this automatically (autovacuum)")
        before = database_vacuum.count_pages(database)
        if before.incremental and not rewrite:
            _free_pages(database, before.free)
        else:
            question = (
                f"{before.count * before.size / MIB:.0f} MiB will be rewritten, and senders wait"
                " meanwhile"
            )
            if confirm(question, 1, dry_run=False, yes=yes, as_json=as_json):
                database_vacuum.rewrite(database)
                erase.truncate_wal(database)
        after = database_vacuum.count_pages(database)
    _print(before, after, as_json=as_json)


def _free_pages(database: Database, count: int) -> None:
    """Free the unused pages, a few at a time, with a progress bar."""
    from bridge.store.db import vacuum as database_vacuum

    with progress_bar("vacuum", count) as advance:
        while gone := database.write(database_vacuum.free_pages):
            advance(gone)
            time.sleep(0.01)


def _print(before: PageCounts, after: PageCounts, *, as_json: bool) -> None:
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
