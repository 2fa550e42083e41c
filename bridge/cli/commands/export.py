"""export: form submissions, as CSV for a spreadsheet or as JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.options import FilteredCommand, filter_options
from bridge.cli.ui import output

if TYPE_CHECKING:
    from bridge.services.exports import SubmissionList


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
def export(config: str | None, /, *, limit: int, kind: str, **filters: Any) -> None:
    """Export form submissions, oldest first: of your own forms, and of services such as Typeform.

    CSV has a column for each field; an apostrophe is put before text that a spreadsheet would run
    as a formula. Submissions whose body cannot be read or was deleted are left out and counted.

    \b
    flowbridge export --source contact > contact.csv
    flowbridge export --source contact --since 2026-11-01 --as jsonl
    flowbridge export --status none                 submissions that no route matched
    """
    with (
        open_bridge(config) as bridge,
        bridge.open_submissions(filters, limit) as submissions,
    ):
        if submissions is None:
            output.say("No submissions: nothing has been received yet.")
            return
        count = _write_csv(submissions) if kind == "csv" else _write_lines(submissions)
        others = output.number(submissions.left_out, "other event")
        left = f"; {others} left out" if submissions.left_out else ""
    output.say(f"{count} submission{'s' * (count != 1)} written{left}")


def _write_lines(submissions: SubmissionList) -> int:
    from bridge.services.records.submission_records import SUBMISSION

    count = 0
    for submission in submissions.read_once():
        output.json_line(SUBMISSION.write(submission))
        count += 1
    return count


def _write_csv(submissions: SubmissionList) -> int:
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
    sys.stdout.buffer.flush()  # before it counts as written
    return count
