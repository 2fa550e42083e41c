"""db rekey: seal all that is kept with the first key, or give sealing up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import DRY_RUN, YES
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.core.errors import NotFound, StoreError
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.blobs import Blobs
    from bridge.store.db.database import Database
    from bridge.store.operations.rekey import Rekeying

MAX_LISTED = 5  # values that cannot be opened are named


@click.command()
@click.option(
    "--clear",
    is_flag=True,
    help="Keep all in clear again: the keys are to be given up. Stop flowbridge first.",
)
@AS_JSON
@DRY_RUN
@YES
@click.pass_obj
def rekey(config: str | None, /, clear: bool, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Seal what is kept with the first of FLOWBRIDGE_ENCRYPTION_KEYS: what is in clear, and what
    another key has sealed.

    To change the key, put the new one before the old one, restart flowbridge everywhere, and rekey;
    flowbridge db check then says that the old one can be dropped. It goes a little at a time while
    flowbridge runs; Ctrl-C stops it anywhere, and it goes on when called again. Exit code 1:
    something could not be opened, and stayed as it was.

    \b
    flowbridge db rekey --dry-run
    flowbridge db rekey --yes
    flowbridge db rekey --clear
    """
    from bridge.store.blobs import Blobs
    from bridge.store.inbound import blob_owners
    from bridge.store.operations import rekey as rekey_operation

    settings = settings_of(config, secrets=True)
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        one = rekey_operation.Rekeying(database, settings.secret_key, clear)
        one.check()
        blobs = Blobs.of(settings)
        left = {name: rows for name, rows in one.left().items() if rows}
        files = [
            digest
            for digest in sorted(blob_owners.owned(database))
            if blobs.needs_resealing(digest, clear=clear)
        ]
        total = sum(left.values()) + len(files)
        if dry_run and as_json:
            output.json_line({"rows": left, "files": len(files)})
        elif confirm(
            _question(left, len(files), clear=clear),
            total,
            dry_run=dry_run,
            yes=yes or not total,
            as_json=as_json,
        ):
            with progress_bar("rekey", total) as advance:
                one.run(advance)
                done = sum(_reseal(blobs, digest, one) for digest in files)
            _settle(database, settings)
            _print(one, done, as_json=as_json)


def _question(left: dict[str, int], files: int, *, clear: bool) -> str:
    what = _listed(left, files) or "nothing"
    return f"{what} to be kept in clear" if clear else f"{what} to be sealed with the first key"


def _listed(rows: dict[str, int], files: int) -> str:
    return ", ".join(
        filter(None, (output.rows_of(rows), output.number(files, "file") if files else ""))
    )


def _reseal(blobs: Blobs, digest: str, one: Rekeying) -> bool:
    began = time.monotonic()
    try:
        return blobs.reseal(digest, clear=one.clear)
    except OSError as error:
        one.broken.append(f"a file could not be kept anew: {error.strerror}")
        return False
    finally:
        time.sleep(time.monotonic() - began)


def _settle(database: Database, settings: Settings) -> None:
    """Have no page with what was there before in the write-ahead log, and say where it may be
    yet.
    """
    from bridge.store.operations import erase

    if not database.is_sqlite:
        output.say(
            "PostgreSQL keeps old rows until VACUUM, and in archives of its log: those are the"
            " server's to clear"
        )
    elif not erase.settle_file(database):
        output.say(
            "a reader is in the way of emptying the write-ahead log, which holds older pages: it is"
            " emptied by a later checkpoint"
        )
    if settings.backups.exists():
        output.say(
            f"backups that were made before, such as those in {settings.backups}, are as they were"
        )


def _print(one: Rekeying, files: int, *, as_json: bool) -> None:
    rows = {name: count for name, count in one.done.items() if count}
    if as_json:
        output.json_line({"rows": rows, "files": files, "broken": len(one.broken)})
    else:
        how = "kept in clear" if one.clear else "sealed with the first key"
        output.answer(f"{how}: {_listed(rows, files) or 'nothing, all of it was so'}")
    if one.clear:
        output.say(
            "Now take FLOWBRIDGE_ENCRYPTION_KEYS out of the environment of every process, before"
            " you start flowbridge."
        )
    for text in one.broken[:MAX_LISTED]:
        output.say(f"stays as it was: {text}")
    if one.broken:
        raise StoreError(f"{len(one.broken)} values could not be opened, and stayed as they were")
