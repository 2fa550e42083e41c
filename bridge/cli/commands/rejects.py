"""rejects: list requests that failed verification with the reasons, and readmit them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.numbers import BoundedNumber
from bridge.cli.option_types import TimeParam
from bridge.cli.options import AS_JSON, require_existing
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.cli.usable_config import load_usable, with_learned_secrets
from bridge.core.errors import NotFound
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.core.model import Reject
    from bridge.routing.model import Config
    from bridge.services.rejects import DiagnosedReject, Readmission, RejectReview

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
    settings = settings_of(ctx.obj)
    review = _review(ctx.obj, to_look=True)
    with open_store(settings) as database:
        require_existing(settings, database, source=source)
        found = (
            review.list_rejects(database, source=source, since=since, limit=limit)
            if database
            else iter(())
        )
        if as_json:
            for one in found:
                output.json_line(one.as_json())
            return
        if not tables.print_table(COLUMNS, map(_row, found)):
            output.say(
                f"No {'matching ' if source or since is not None else ''}rejects are stored."
            )
    _say_unset(review.config, source)


def _say_unset(config: Config, source: str | None) -> None:
    """Print which sources store no rejects because a secret is not set; of all, or of one."""
    for one in config.sources.values():
        if one.missing is not None and source in (None, one.name):
            which = f"{one.name} that no other secret verifies" if one.secrets else one.name
            output.say(
                f"Requests to source {which} are answered 503 and not stored, since its secret"
                f" cannot be read: {one.missing}.\nNext: set it in .env; no restart is needed."
            )


def _row(found: DiagnosedReject) -> tuple[str, ...]:
    one = found.reject
    why = f"readmitted as {', '.join(one.event_ids)}" if one.event_ids else found.reasons[0]
    return output.moment(one.received_at), one.id, one.source, one.reason, why


def show_reject(
    config: str | None, one: Reject, *, with_body: bool, is_folded: bool, as_json: bool
) -> None:
    """Print one reject with the reasons, for `flowbridge show`."""
    from bridge.cli.ui.event_view import print_reject

    found = _review(config, to_look=True).diagnose(one)
    if as_json:
        output.json_line(found.as_json(whole=True))
    else:
        print_reject(one, found.reasons, with_body=with_body, is_folded=is_folded)


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
    review = _review(config)
    settings = settings_of(config)
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


def _review(config: str | None, *, to_look: bool = False) -> RejectReview:
    """Return the review of rejects with the current routes.yaml; with `to_look`, the last good one
    where it cannot be used.
    """
    from bridge.services.rejects import RejectReview
    from bridge.web.key_fetcher import Keyring

    return RejectReview(_routes(config, to_look=to_look), Keyring())


def _routes(config: str | None, *, to_look: bool = False) -> Config:
    """Return the current routes.yaml as receivers use it; with `to_look`, the last good one where
    it cannot be used.
    """
    from bridge.ingest.redaction import add_all_keys

    settings = settings_of(config)
    routes = load_usable(settings) if to_look else load_present(settings)
    seals = bool(settings.encryption_keys)
    if seals or any(source.redact for source in routes.sources.values()):
        key = settings_of(config, secrets=True).secret_key
        routes = add_all_keys(routes, key, seals=seals)
    return replace(routes, sources=with_learned_secrets(config, routes.sources))
