"""db copy: copy the whole database into another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, RenamedFlag
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.operations.copy_rows import CopyResult


@click.command()
@click.option(
    "--to",
    metavar="URL",
    required=True,
    help="The database to copy into. It must be empty; a SQLite file is created.",
)
@click.option(
    "--snapshot",
    is_flag=True,
    help="Copy while flowbridge runs; the copy does not have what arrives meanwhile.",
)
@click.option(
    "--repair",
    cls=RenamedFlag,
    old_name="--mend",
    is_flag=True,
    help="Replace characters that the target cannot store (NUL in PostgreSQL) with U+FFFD.",
)
@AS_JSON
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the number of rows, and whether they can be copied; copy nothing.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def copy(
    config: str | None,
    /,
    to: str,
    snapshot: bool,
    repair: bool,
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Copy the whole database into an empty one, such as from SQLite to PostgreSQL, or back.

    Stop flowbridge everywhere first: a copy while a worker runs is refused. An interrupted copy
    leaves the target empty. Every row is read back and compared. Other users of this machine can
    see a password in URL; use PGPASSWORD or ~/.pgpass instead.

    \b
    flowbridge db copy --to postgresql://flowbridge@db.internal/flowbridge
    flowbridge db copy --to sqlite:////var/lib/flowbridge/flowbridge.db
    flowbridge db copy --to postgresql://localhost/rehearsal --snapshot
    """
    from bridge.store.db.database import Database
    from bridge.store.operations import copy as copy_operation

    settings = settings_of(config)
    source = Database.of(settings)
    target = Database(to, said_by="--to")
    try:
        copy_operation.check(source, target, snapshot=snapshot)
        rows = copy_operation.count_rows(source)
        if _go_on(sum(rows.values()), target, dry_run=dry_run, yes=yes, as_json=as_json):
            # each row is written, then compared
            with progress_bar("copy", 2 * sum(rows.values())) as advance:
                copied = copy_operation.copy(
                    source, target, snapshot=snapshot, repair=repair, advance=advance
                )
            _print(source, target, copied, as_json=as_json)
    finally:
        source.close()
        target.close()


def _shown(database: Database) -> str:
    return database.url.render_as_string(hide_password=True)


def _go_on(rows: int, target: Database, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    return confirm(
        f"{rows} rows to copy to {_shown(target)}", rows, dry_run=dry_run, yes=yes, as_json=as_json
    )


def _print(source: Database, target: Database, copied: CopyResult, *, as_json: bool) -> None:
    if as_json:
        output.json_line(
            {
                "from": _shown(source),
                "to": _shown(target),
                "rows": copied.rows,
                "repaired": copied.repaired,
            }
        )
        return
    output.answer(f"copied and compared: {_listed(copied.rows)}")
    if copied.repaired:
        output.answer(f"characters were replaced in {output.number(copied.repaired, 'row')}")
    for line in _next(source, target, copied.rows):
        output.say(line)


def _listed(rows: Mapping[str, int]) -> str:
    return output.rows_of(rows) or "nothing, the database is empty"


def _next(source: Database, target: Database, rows: Mapping[str, int]) -> Iterator[str]:
    yield (
        f"Next: set FLOWBRIDGE_DATABASE_URL={_shown(target)}, with its password, in the environment"
        " of every process."
    )
    if source.is_sqlite and not target.is_sqlite:
        yield (
            "Set FLOWBRIDGE_SECRET_KEY to the content of data/secret_key: the credentials of the"
            " local platform are derived from it."
        )
    if rows["learned"] or source.sealer.on:
        yield (
            "Encrypted data stays encrypted: it needs the same FLOWBRIDGE_SECRET_KEY and"
            " FLOWBRIDGE_ENCRYPTION_KEYS."
        )
    if rows["token"]:
        yield (
            "Access tokens are valid in both databases: remove those that only one should accept"
            " (flowbridge token remove)."
        )
    if rows["local_file"]:
        yield "Files of the local platform are not in the database: copy the data folder too."
