"""retry, cancel, resolve: change deliveries, by id or by filters, after a count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.request import OperationRequest, operation_options, require_items
from bridge.cli.actions.run import run_operation
from bridge.cli.command_choices import write_choices
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.completion_values import complete_ids
from bridge.cli.options import (
    FilteredCommand,
    filter_options,
)
from bridge.services.operations.commands import RESOLUTIONS

if TYPE_CHECKING:
    pass


@click.command(cls=FilteredCommand, epilog=write_choices("retry"))
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1, shell_complete=complete_ids)
@filter_options(limit=0)
@operation_options
@click.pass_obj
def retry(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Send again deliveries that are dead or cancelled, or whose run failed or was terminated: the
    same deliveries, with the same inputs.

    Filters select dead deliveries and those whose run failed. The id of an event selects all of its
    deliveries. Parked deliveries (--dead-kind config) have no inputs to send: fix routes.yaml, then
    replay. A delivery with an ordering key waits for its turn. If a route has
    changed since, retry prints a note: only replay makes new inputs.

    \b
    flowbridge retry dlv_01jd2x
    flowbridge retry --status dead --route triage --since 1h
    flowbridge retry --dead-kind platform --reason 'HTTP 403' --rate 10/s
    """
    _act("retry", config, deliveries, {}, options)


@click.command(cls=FilteredCommand)
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1, shell_complete=complete_ids)
@filter_options(limit=0)
@operation_options
@click.pass_obj
def cancel(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Cancel deliveries that have not been sent. A retry puts them back into the queue.

    A dead delivery that blocks its ordering key (on_dead: block) can be cancelled too, which
    releases the next one. Select it with --status dead.

    \b
    flowbridge cancel --route newsletter --dry-run
    flowbridge cancel dlv_01jd2x --yes
    """
    _act("cancel", config, deliveries, {}, options)


@click.command(cls=FilteredCommand, epilog=write_choices("resolve"))
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1, shell_complete=complete_ids)
@click.option(
    "--as",
    "to",
    type=click.Choice(RESOLUTIONS),
    help="The outcome; queued sends the delivery again. Without it, print the evidence.",
)
@click.option(
    "--run-id",
    metavar="RUN",
    help="With --as delivered: the run that it started, which is then tracked.",
)
@click.option(
    "--force",
    is_flag=True,
    help=(
        "Also resolve deliveries that flowbridge would resolve itself; with --run-id, accept a run"
        " that the platform does not have."
    ),
)
@filter_options(limit=0)
@operation_options
@click.pass_obj
def resolve(
    config: str | None,
    /,
    deliveries: tuple[str, ...],
    to: str | None,
    run_id: str | None,
    force: bool,
    **options: Any,
) -> None:
    """Decide the outcome of unknown deliveries, after you have looked at the platform. Without
    --as, print the evidence for each.

    This is for deliveries that stay unknown. While flowbridge still searches for the run of a
    delivery, resolve refuses it unless --force is given: if the run is found, it is not started
    again.

    If the platform can be queried, the run of --run-id is looked up first. It is refused if it does
    not exist, belongs to another delivery or to another flow, or is older than the call.

    \b
    flowbridge resolve                                       all unknown deliveries, with evidence
    flowbridge resolve dlv_01jd2x --as delivered --run-id 7Hq3bVtDnk2yXcN9wLpRsA
    flowbridge resolve --route paid --as queued
    """
    if run_id is not None and (to != "delivered" or len(deliveries) != 1):
        raise click.UsageError("--run-id requires --as delivered and exactly one delivery")
    if to is None and find_server() is not None:
        raise click.UsageError("with --server pass --as; `flowbridge show ID` prints the evidence")
    if to is None:
        from bridge.cli.ui.unknown_view import show_unknown

        show_unknown(settings_of(config), deliveries, OperationRequest.of(options))
        return
    how = {"to": to, "run_id": run_id, "force": force}
    _act(
        "resolve",
        config,
        deliveries,
        {name: value for name, value in how.items() if value},
        options,
    )


def _act(
    name: str,
    config: str | None,
    names: tuple[str, ...],
    how: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    request = OperationRequest.of(options)
    require_items(names, request)
    run_operation(config, name, names, request, how)
