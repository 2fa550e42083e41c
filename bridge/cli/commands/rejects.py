"""rejects: list requests that failed verification with the reasons, and readmit them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bridge.cli.bridge_access import open_bridge
from bridge.cli.command_settings import settings_of
from bridge.cli.numbers import BoundedNumber
from bridge.cli.option_types import TimeParam
from bridge.cli.options import AS_JSON, require_existing
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.errors import NotFound
from bridge.services.parsed_records import expect_shape, parse_reject
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.services.bridge_reader import Shape
    from bridge.services.rejects import Readmission

COLUMNS = (
    Column("received", whole=True),
    tables.ID_COLUMN,
    Column("source"),
    Column("reason", style=output.find_colour),
    Column("why", spare=True),
)


@click.group(invoke_without_command=True)
@click.option("--source", metavar="NAME", help="Only from this source.")
@click.option(
    "--since",
    type=TimeParam(),
    metavar="TIME",
    help="Only since this time: 15m, 1h, 2d (ago), a date, or ISO 8601.",
)
@click.option(
    "--limit",
    type=BoundedNumber(0),
    default=50,
    show_default=True,
    metavar="N",
    help="The newest N; 0 for all.",
)
@AS_JSON
@click.pass_context
def rejects(
    ctx: click.Context, /, source: str | None, since: float | None, limit: int, as_json: bool
) -> None:
    """List requests that failed verification, newest first, with the most likely reason.

    The newest hundred of each source are stored. They start nothing unless they are readmitted.
    `flowbridge show ID` shows one.

    \b
    flowbridge rejects --source stripe --since 1h
    flowbridge rejects readmit --source stripe
    """
    if ctx.invoked_subcommand is not None:
        return
    with open_bridge(ctx.obj) as bridge:
        found = bridge.list_rejects(source=source, since=since, limit=limit)
        if as_json:
            for one in found:
                output.json_line(one)
            return
        if not tables.print_table(COLUMNS, map(_row, found)):
            output.say(
                f"No {'matching ' if source or since is not None else ''}rejects are stored."
            )
        for note in bridge.explain_unset(source):
            output.say(note)


def _row(shape: Shape) -> tuple[str, ...]:
    from bridge.services.rejects import list_reasons

    one = parse_reject(shape)
    with expect_shape():
        reason = list_reasons(shape["diagnosis"])[0]
    why = f"readmitted as {', '.join(one.event_ids)}" if one.event_ids else reason
    return output.moment(one.received_at), one.id, one.source, one.reason, why


@rejects.command()
@click.argument("ids", metavar="[REJECT]...", nargs=-1)
@click.option("--source", metavar="NAME", help="Only from this source.")
@click.option("--since", type=TimeParam(), metavar="TIME", help="Only since this time.")
@click.option("--dry-run", is_flag=True, help="Only print how many verify now.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@AS_JSON
@click.pass_obj
def readmit(
    config: str | None,
    /,
    ids: tuple[str, ...],
    source: str | None,
    since: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Verify rejects again, with the current routes.yaml and the time at which they arrived. Those
    that pass become events, once.

    Fix the secret first. With a filter, rejects that still fail are skipped; with ids, they are
    listed with the reason. A reject that contained a token or password is stored without it, and
    cannot be verified again.

    \b
    flowbridge rejects readmit --source stripe --dry-run
    flowbridge rejects readmit rej_01jd2x
    """
    if bool(ids) == bool(source or since):
        raise click.UsageError("pass ids, or select by --source or --since")
    from bridge.cli.reject_review import make_review

    settings = settings_of(config)
    review = make_review(config)
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing has been received yet: there is no database")
        require_existing(settings, database, source=source)
        chosen = review.select(database, ids, source=source, since=since)
        text = f"{output.number(len(chosen), 'reject')} to readmit"
        if dry_run:
            output.json_line({"count": len(chosen)}) if as_json else output.answer(text)
            return
        if not chosen:
            output.say("No matching reject verifies now.")
        elif not yes and not ids and not _agreed(text):
            output.say("Nothing was done.")
        elif sum(
            not _print_readmitted(review.readmit(database, one), as_json=as_json) for one in chosen
        ):
            sys.exit(1)


def _agreed(text: str) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{text}: not a terminal, so pass --yes (or --dry-run)")
    return click.confirm(f"{text}. Continue?", err=True)


def _print_readmitted(one: Readmission, *, as_json: bool) -> bool:
    """Print the result of a readmission, and return whether the reject was readmitted."""
    if as_json:
        output.json_line(one.as_json())
    elif one.problem is None:
        became = ", ".join(one.event_ids) or "a test of the URL, which is not an event"
        output.answer(f"{one.reject_id}  readmitted: {became}")
    else:
        click.echo(
            f"{output.clean(one.reject_id)}  {click.style('not readmitted', fg='red')}:"
            f" {output.clean(one.problem)}"
        )
    return one.problem is None
