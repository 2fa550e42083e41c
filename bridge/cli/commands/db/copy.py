"""db copy: the whole database into another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
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
    help="The database to copy into: an empty one (a file of SQLite is made).",
)
@click.option(
    "--snapshot",
    is_flag=True,
    help="Copy although flowbridge is running: what comes in meanwhile is not in the copy.",
)
@click.option(
    "--mend",
    is_flag=True,
    help="Write U+FFFD for characters that the target cannot hold (NUL in PostgreSQL).",
)
@AS_JSON
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say how much there is, and whether it could be copied; copy nothing.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def copy(
    config: str | None,
    /,
    to: str,
    snapshot: bool,
    mend: bool,
    as_json: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Copy the whole database into an empty one, such as from SQLite to PostgreSQL, or back.

    Stop flowbridge everywhere first: what comes in meanwhile would be missed, so a copy beside a
    running worker is refused. One that is interrupted has copied nothing. Every row is read back
    and compared before it counts. A password in URL can be seen by others of this machine;
    PGPASSWORD and ~/.pgpass hide it.

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
        rows = copy_operation.count(source)
        if _go_on(sum(rows.values()), target, dry_run=dry_run, yes=yes, as_json=as_json):
            # half for writing, half for comparing
            with progress_bar("copy", 2 * sum(rows.values())) as advance:
                copied = copy_operation.copy(
                    source, target, snapshot=snapshot, mend=mend, advance=advance
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
                "mended": copied.mended,
            }
        )
        return
    output.answer(f"copied and compared: {_listed(copied.rows)}")
    if copied.mended:
        output.answer(f"characters were replaced in {output.number(copied.mended, 'row')}")
    for line in _next(source, target, copied.rows):
        output.say(line)


def _listed(rows: Mapping[str, int]) -> str:
    return output.rows_of(rows) or "nothing, there was nothing"


def _next(source: Database, target: Database, rows: Mapping[str, int]) -> Iterator[str]:
    yield (
        f"Next: FLOWBRIDGE_DATABASE_URL={_shown(target)}, with its password, in the environment of"
        " every process."
    )
    if source.is_sqlite and not target.is_sqlite:
        yield (
            "FLOWBRIDGE_SECRET_KEY is to be what data/secret_key holds: the local platform's"
            " credentials follow from it."
        )
    if rows["learned"] or source.sealer.on:
        yield (
            "What is sealed stays sealed: it opens with the same FLOWBRIDGE_SECRET_KEY and"
            " FLOWBRIDGE_ENCRYPTION_KEYS only."
        )
    if rows["local_file"]:
        yield "Files of the local platform are not in the database: take the data folder along."
