"""export: form submissions, as CSV for a spreadsheet or as JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import (
    FilteredCommand,
    filter_options,
    make_filters,
    require_existing,
    say_search_size,
)
from bridge.cli.ui import output
from bridge.cli.usable_config import load_sources
from bridge.core.audit import AuditAction
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.services.exports import Submissions


@click.command(cls=FilteredCommand)
@filter_options(statuses=("none",), limit=0)
@click.option(
    "--spam", is_flag=True, help="Only submissions marked as spam (default: only the others)."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="The format.",
)
@click.pass_obj
def export(config: str | None, /, *, limit: int, kind: str, **chosen: Any) -> None:
    """Export form submissions, oldest first: of your own forms, and of services such as Typeform.

    CSV has a column for each field; an apostrophe is put before text that a spreadsheet would run
    as a formula. Submissions whose body cannot be read or was deleted are left out and counted.

    \b
    flowbridge export --source contact > contact.csv
    flowbridge export --source contact --since 2026-11-01 --as jsonl
    flowbridge export --status none                 submissions that no route matched
    """
    from bridge.services.audit import record_done
    from bridge.services.exports import Submissions
    from bridge.services.operations import find_audit_actor

    settings = settings_of(config)
    with open_store(settings) as database:
        if database is None:
            output.say("No submissions: nothing has been received yet.")
            return
        require_existing(settings, database, **chosen)
        wanted = make_filters(**chosen)
        say_search_size(database, wanted, of_deliveries=False)
        of = f" of {chosen['source']}" if chosen["source"] else ""
        subject = f"submissions{of} as {kind}"
        record_done(database, AuditAction.EXPORTED, find_audit_actor(settings), subject)
        submissions = Submissions(database, load_sources(settings), wanted, limit)
        count = _write_csv(submissions) if kind == "csv" else _write_lines(submissions)
    left = f"; {submissions.left_out} other events left out" if submissions.left_out else ""
    output.say(f"{count} submission{'s' * (count != 1)} written{left}")


def _write_lines(submissions: Submissions) -> int:
    count = 0
    for one in submissions:
        output.json_line(one.as_json())
        count += 1
    return count


def _write_csv(submissions: Submissions) -> int:
    """Write CSV. Reads the submissions twice, since the header needs all fields."""
    from bridge.services.exports import MAX_TABLE_COLUMNS, read_table

    table = read_table(submissions)
    if table.field_count > MAX_TABLE_COLUMNS:
        output.say(
            f"only the first {MAX_TABLE_COLUMNS} of {table.field_count} fields are columns;"
            " --as jsonl writes all"
        )
    count = -1  # without the header
    for record in table.csv_records():
        sys.stdout.buffer.write(record)
        count += 1
    return count
