"""db backup, db restore: save the store to one file, and restore it."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import YES
from bridge.cli.command_settings import settings_of
from bridge.cli.commands.db.hold import explain_removed_tokens
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.config.local_credentials import KEY_FILE, KEY_VARIABLE, find_secret_key
from bridge.core.audit import AuditAction
from bridge.core.errors import StoreError
from bridge.core.model import JSON
from bridge.core.units import MIB, iso
from bridge.services.store_access import find_database

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.backup.manifest import Manifest
    from bridge.store.backup.restore import RestoreResult
    from bridge.store.backup.secret_key import KeyChange
    from bridge.store.db.database import Database

KEY_INCLUDED = (
    "The backup has the secret key, with which a reader of the file can make links to files and"
    " tokens of forms, use the local platform, and read learned secrets. Keep it as safely as .env."
)


@click.command()
@click.argument("path", type=click.Path(), required=False)
@click.option(
    "--with-secret-key",
    is_flag=True,
    help="Include the secret key: a reader of the backup then has it.",
)
@AS_JSON
@click.pass_obj
def backup(config: str | None, /, path: str | None, with_secret_key: bool, as_json: bool) -> None:
    """Write a backup to a new file while flowbridge runs: the database and the files of the data
    folder.

    The backup is verified by restoring it into a temporary place. PATH is a new file, or a folder
    that exists; the default is `backups` in the data folder. It is plain text unless
    FLOWBRIDGE_ENCRYPTION_KEYS is set: to encrypt it, write it to a pipe (PATH is -). routes.yaml,
    flows.py, .env and the secret key are not included: back them up separately.

    \b
    flowbridge db backup
    flowbridge db backup /mnt/backup/
    flowbridge db backup - | age -r age1… > flowbridge.tar.age
    flowbridge db backup - | gpg --encrypt -r me@example.com > flowbridge.tar.gpg
    """
    from bridge.store.backup import files as backups
    from bridge.store.backup.archive import backup_name

    settings = settings_of(config)
    now = time.time()
    target = settings.backups if path is None else Path(path)
    if (
        path is not None
        and path.endswith("/")
        and not (target.is_dir() or target == settings.backups)
    ):
        raise StoreError(f"the backup cannot be written: there is no folder {path}")
    database = find_database(settings)
    key = find_secret_key(settings.environ, settings.data)
    try:
        if path == "-":
            manifest = _to_stdout(database, settings, now, key, with_key=with_secret_key)
        else:
            if target.is_dir() or target == settings.backups:
                target /= backup_name(now)
            with progress_bar(
                "backup", 2 * backups.estimate_size(database, settings.data), of_bytes=True
            ) as advance:
                manifest = backups.create(
                    database,
                    settings.data,
                    target,
                    now,
                    advance,
                    secret_key=key,
                    with_key=with_secret_key,
                )
    except OSError as error:
        raise StoreError(
            f"the backup cannot be written: {error.strerror} ({error.filename or target})"
        ) from error
    finally:
        database.close()
    _print_backup(target, manifest, as_json=as_json)
    output.say(_explain_left_out(settings, has_key=with_secret_key))
    if with_secret_key:
        output.say(KEY_INCLUDED)


def _explain_left_out(settings: Settings, *, has_key: bool) -> str:
    """Return what a backup does not have. The secret key is in `.env`, or in the data folder."""
    file = settings.data / KEY_FILE
    is_apart = not has_key and KEY_VARIABLE not in settings.environ and file.exists()
    rest = f".env with the secrets, and {file}" if is_apart else "and .env with the secrets"
    return f"Not in it: routes.yaml, flows.py, {rest}. Back them up, too."


def _to_stdout(
    database: Database, settings: Settings, now: float, key: str, *, with_key: bool
) -> Manifest:
    from bridge.store.backup import archive as backups

    if sys.stdout.isatty():
        raise click.UsageError("a backup is binary: redirect it to a file, or pipe it to a program")
    manifest = backups.write(
        database,
        settings.data,
        sys.stdout.buffer,
        settings.data,
        now,
        secret_key=key,
        with_key=with_key,
    )
    sys.stdout.flush()
    return manifest


def _print_backup(path: Path, manifest: Manifest, *, as_json: bool) -> None:
    size = (
        sum(size for name, (size, _) in manifest.files.items() if not name.startswith("blobs/"))
        + manifest.blob_bytes
    )
    blobs = manifest.blobs
    counts = (
        f"{output.number(manifest.rows['event'], 'event')}, {output.number(blobs, 'file')},"
        f" {size / MIB:.1f} MiB"
    )
    for digest in manifest.missing[:5]:
        output.say(f"missing, although a record refers to it: the blob {digest}")
    if path == Path("-"):
        output.say(f"backed up: {counts}; the database was verified, the output was not")
    elif as_json:
        output.json_line(
            {
                "path": str(path),
                "taken_at": iso(manifest.taken_at),
                "bytes": size,
                "rows": manifest.rows,
                "blobs": blobs,
                "missing": manifest.missing,
                "verified": True,
            }
        )
    else:
        output.answer(f"{path}: {counts}; verified by restoring it into a temporary folder")


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--replace",
    is_flag=True,
    help="Replace an existing store, which is moved to a folder beside it.",
)
@AS_JSON
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the content of the backup and verify it; restore nothing.",
)
@YES
@click.pass_obj
def restore(
    config: str | None, /, file: Path, replace: bool, as_json: bool, dry_run: bool, yes: bool
) -> None:
    """Restore a backup; stop flowbridge first. FILE is - for stdin.

    No flow is started until `flowbridge db release`, because deliveries that waited when the backup
    was taken may have started since; new events are stored meanwhile. All access tokens are
    removed, and sessions of the console end. A backup without the secret key needs the one that it
    was made with; with another one the command first says what ends.

    \b
    flowbridge db restore data/backups/flowbridge-20261124T031500Z.tar --dry-run
    flowbridge db restore flowbridge-20261124T031500Z.tar --replace
    age --decrypt -i key.txt flowbridge.tar.age | flowbridge db restore - --yes
    """
    from bridge.services.audit import new_entry
    from bridge.services.operations.execution import find_audit_actor
    from bridge.store.backup.restore import has_data
    from bridge.store.backup.restore import restore as restore_backup
    from bridge.store.db.database import Database

    settings = settings_of(config)
    database = Database.of(settings)
    source: IO[bytes] = sys.stdin.buffer if file == Path("-") else _opened(file)
    try:
        question = f"{file} will be restored to {settings.data}" + (
            ", and the current store moved to a folder beside it" if has_data(database) else ""
        )

        def agree(manifest: Manifest, key: KeyChange) -> bool:
            _explain_key(key, settings)
            if dry_run:
                _print_manifest(manifest, key, as_json=as_json)
                return False
            return confirm(question, 1, dry_run=False, yes=yes, as_json=as_json)

        restored = restore_backup(
            source,
            database,
            settings.data,
            time.time(),
            replace=replace or dry_run,
            set_key=settings.environ.get(KEY_VARIABLE, ""),
            agree=agree,
            entry_of=lambda manifest: new_entry(
                AuditAction.STORE_RESTORED,
                find_audit_actor(settings),
                f"as of {iso(manifest.taken_at)}",
            ),
        )
        if restored is not None:
            _print_restored(restored, as_json=as_json)
    except StoreError as error:
        raise StoreError(f"{file} is not restored: {error}") from error
    except OSError as error:
        raise StoreError(f"{file} is not restored: {error.strerror} ({error.filename})") from error
    finally:
        source.close()
        database.close()


def _explain_key(key: KeyChange, settings: Settings) -> None:
    """Say whether the backup has the secret key, and what ends with another one."""
    from bridge.store.backup.secret_key import MADE_WITH_KEY

    if key.is_included:
        output.say(KEY_INCLUDED)
    if not key.is_other and not key.unreadable:
        return
    names = ", ".join(key.unreadable)
    learned = [f"learned secrets of {names}: run flowbridge learn for each"] if names else []
    output.say(
        "The restored bridge uses another secret key than the backup was made with. These end:"
        if key.is_other
        else "The keys of this machine do not decrypt the whole backup. These end:"
    )
    for made in [*learned, *(MADE_WITH_KEY if key.is_other else ())]:
        output.say(f"  - {made}")
    output.say(
        f"To keep them, set {KEY_VARIABLE} to the earlier key, or put it into"
        f" {settings.data / KEY_FILE}, before flowbridge starts."
    )


def _key_json(key: KeyChange) -> dict[str, JSON]:
    return {
        "has_secret_key": key.is_included,
        "other_secret_key": key.is_other,
        "unreadable_secrets": list(key.unreadable),
    }


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from error


def _print_manifest(manifest: Manifest, key: KeyChange, *, as_json: bool) -> None:
    if as_json:
        output.json_line(
            asdict(manifest)
            | {"taken_at": iso(manifest.taken_at), "missing": manifest.missing}
            | _key_json(key)
        )
        return
    output.line("taken", iso(manifest.taken_at))
    output.line("by", f"flowbridge {manifest.flowbridge}, schema {manifest.schema}")
    output.line(
        "rows",
        ", ".join(f"{count} of {name}" for name, count in manifest.rows.items() if count) or "none",
    )
    output.line("files", f"{manifest.blobs}, {manifest.blob_bytes / MIB:.1f} MiB")
    output.line("missing", len(manifest.missing) or None, "yellow")
    output.answer("the backup is complete")


def _print_restored(restored: RestoreResult, *, as_json: bool) -> None:
    manifest = restored.manifest
    waiting = restored.waiting
    if as_json:
        output.json_line(
            {
                "taken_at": iso(manifest.taken_at),
                "rows": manifest.rows,
                "waiting": waiting.before,
                "unknown": waiting.unknown,
                "runs": waiting.runs,
                "removed_tokens": restored.removed_tokens,
                "aside": restored.aside and str(restored.aside),
            }
            | _key_json(restored.key)
        )
        return
    output.answer(
        f"restored: {output.number(manifest.rows['event'], 'event')}, as of"
        f" {iso(manifest.taken_at)}"
    )
    if restored.aside is not None:
        output.say(f"The earlier store is in {restored.aside}; delete it when you are sure.")
    output.say("Starts are on hold: new events are stored, and no flow is started.")
    if waiting.before or waiting.runs:
        deliveries = output.number(waiting.before, "delivery", "deliveries")
        runs = output.number(waiting.runs, "run")
        waited = (
            f"{deliveries} and {runs} of the local platform were waiting when the backup was taken"
        )
        output.say(f"{waited}. They may have started since: see flowbridge db release --dry-run.")
    if waiting.unknown:
        what = f"{output.number(waiting.unknown, 'delivery is', 'deliveries are')} unknown"
        output.say(f"{what}, and flowbridge no longer searches for the run: flowbridge resolve")
    if restored.removed_tokens:
        output.say(explain_removed_tokens(restored.removed_tokens))
    output.say(
        "Next: start flowbridge, check `flowbridge deliveries --status queued`, then run flowbridge"
        " db release."
    )
