"""db rekey: encrypt everything with the first key, or decrypt it."""

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
    from bridge.store.blobs import BlobStore
    from bridge.store.db.database import Database
    from bridge.store.operations.rekey import Rekeying

MAX_LISTED = 5  # values that cannot be decrypted


@click.command()
@click.option(
    "--clear",
    is_flag=True,
    help="Decrypt everything, to stop using the keys. Stop flowbridge first.",
)
@AS_JSON
@DRY_RUN
@YES
@click.pass_obj
def rekey(config: str | None, /, clear: bool, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Encrypt stored data with the first of FLOWBRIDGE_ENCRYPTION_KEYS: plaintext, and data
    encrypted with another key.

    To change the key, put the new one before the old one, restart flowbridge everywhere, and rekey.
    The command works in small batches while flowbridge runs; after Ctrl-C, run it again. Exit code
    1: a value could not be decrypted, and was not changed.

    \b
    flowbridge db rekey --dry-run
    flowbridge db rekey --yes
    flowbridge db rekey --clear
    """
    from bridge.store.blobs import BlobStore
    from bridge.store.inbound import blob_owners
    from bridge.store.operations import rekey as rekey_operation

    settings = settings_of(config, secrets=True)
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing has been received yet: there is no database")
        rekeying = rekey_operation.Rekeying(database, settings.secret_key, clear)
        rekeying.check()
        blobs = BlobStore.of(settings)
        left = {name: rows for name, rows in rekeying.left().items() if rows}
        files = [
            digest
            for digest in sorted(blob_owners.owned_digests(database))
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
                rekeying.run(advance)
                done = sum(_reseal(blobs, digest, rekeying) for digest in files)
            _settle(database, settings)
            _print(rekeying, done, as_json=as_json)


def _question(left: dict[str, int], files: int, *, clear: bool) -> str:
    what = _listed(left, files) or "nothing"
    return f"{what} to decrypt" if clear else f"{what} to encrypt with the first key"


def _listed(rows: dict[str, int], files: int) -> str:
    return ", ".join(
        filter(None, (output.rows_of(rows), output.number(files, "file") if files else ""))
    )


def _reseal(blobs: BlobStore, digest: str, rekeying: Rekeying) -> bool:
    began = time.monotonic()
    try:
        return blobs.reseal(digest, clear=rekeying.clear)
    except OSError as error:
        rekeying.broken.append(f"a file could not be rewritten: {error.strerror}")
        return False
    finally:
        time.sleep(time.monotonic() - began)


def _settle(database: Database, settings: Settings) -> None:
    """Empty the write-ahead log, and print where earlier data may still be."""
    from bridge.store.operations import erase

    if not database.is_sqlite:
        output.say(
            "PostgreSQL keeps old rows until VACUUM, and in its WAL archives: clear those on the"
            " server"
        )
    elif not erase.truncate_wal(database):
        output.say(
            "a reader blocks the write-ahead log, which still has older pages: a later checkpoint"
            " empties it"
        )
    if settings.backups.exists():
        output.say(f"earlier backups, such as those in {settings.backups}, are not changed")


def _print(rekeying: Rekeying, files: int, *, as_json: bool) -> None:
    rows = {name: count for name, count in rekeying.done.items() if count}
    if as_json:
        output.json_line({"rows": rows, "files": files, "broken": len(rekeying.broken)})
    else:
        how = "decrypted" if rekeying.clear else "encrypted with the first key"
        output.answer(f"{how}: {_listed(rows, files) or 'nothing, all of it already was'}")
    if rekeying.clear:
        output.say(
            "Now remove FLOWBRIDGE_ENCRYPTION_KEYS from the environment of every process, before"
            " you start flowbridge."
        )
    for text in rekeying.broken[:MAX_LISTED]:
        output.say(f"not changed: {text}")
    if rekeying.broken:
        raise StoreError(f"{len(rekeying.broken)} values could not be decrypted and stay unchanged")
