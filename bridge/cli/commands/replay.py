"""replay: plan stored events again."""

from __future__ import annotations

from typing import Any

import click

from bridge.cli.actions.request import OperationRequest, operation_options, require_items
from bridge.cli.actions.run import run_operation
from bridge.cli.command_choices import write_choices
from bridge.cli.completion_values import complete_ids, complete_routes
from bridge.cli.options import (
    FilteredCommand,
    filter_options,
)
from bridge.core.operations import NOW, THEN


@click.command(cls=FilteredCommand, epilog=write_choices("replay"))
@click.argument("events", metavar="[EVENT]...", nargs=-1, shell_complete=complete_ids)
@click.option(
    "--through",
    metavar="ROUTE",
    shell_complete=complete_routes,
    help=(
        "Plan through this route only. Default: the one of --route, else the routes whose"
        " deliveries match the filters, else every route."
    ),
)
@click.option(
    "--with-routes",
    "when",
    type=click.Choice([NOW, THEN]),
    default=NOW,
    show_default=True,
    help=(
        "The routes.yaml to plan with: the current one (now), or the one with which the event was"
        " first planned (then)."
    ),
)
@filter_options(statuses=("none",), limit=0)
@operation_options
@click.pass_obj
def replay(
    config: str | None, /, events: tuple[str, ...], through: str | None, when: str, **options: Any
) -> None:
    """Plan stored events again, as new deliveries. Earlier deliveries stay as they are. The current
    credentials are used.

    Their deliveries go ahead of later events of the same route: use --rate to limit that. Events
    marked as spam are not replayed: use flowbridge spam release.

    With filters, only events that a route matches now are replayed. The command first prints how
    many there are, and how many are left out, with the reasons.

    With --dead-kind, --status, --run or --reason, an event is planned only through the routes of
    its deliveries that match and were not replayed since, so its other routes start nothing again.
    --through names another route. By the id of a delivery, its event is planned through the route
    of the delivery alone.

    \b
    flowbridge replay evt_01jd2x
    flowbridge replay --status none --since 1d     events without a route, after a change
    flowbridge replay --dead-kind config --since 1h   events that could not be planned
    flowbridge replay --source github --since 2d --through new-route --rate 50/s
    """
    request = OperationRequest.of(options)
    require_items(events, request)
    how = {"through": through or request.chosen["route"], "routes": when if when != NOW else None}
    run_operation(config, "replay", events, request, how)
