"""replay, retry, cancel, resolve: act on what is kept, on one or on all that filters choose, after
a count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.confirmation import count_items
from bridge.cli.actions.request import OperationRequest, operation_options, require_items
from bridge.cli.actions.run import start_operation
from bridge.cli.command_settings import settings_of
from bridge.cli.options import (
    FilteredCommand,
    filter_options,
    make_filters,
    require_existing,
    say_search_size,
)
from bridge.cli.ui import output
from bridge.core.errors import BridgeError, NotFound
from bridge.core.model import Status
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.selection import Selection
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import Move

RESOLUTIONS = ("delivered", "queued", "dead")


@click.command(cls=FilteredCommand)
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@filter_options(limit=0)
@operation_options
@click.pass_obj
def retry(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Send deliveries again that are dead, cancelled, or whose run failed: the same deliveries with
    the same inputs.

    Filters choose among those that are dead or whose run failed. An event's id stands for all of
    its deliveries. What was parked by planning (--dead-kind config) is never sent: mend
    routes.yaml, then replay. One with an ordering key joins its line. Where a route was changed
    since, retry says so: its new inputs are made by replay only.

    \b
    flowbridge retry dlv_01jd2x
    flowbridge retry --status dead --route triage --since 1h
    flowbridge retry --dead-kind platform --reason 'HTTP 403' --rate 10/s
    """
    _act("retry", config, deliveries, {"to": Status.QUEUED.value}, options)


@click.command(cls=FilteredCommand)
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@filter_options(limit=0)
@operation_options
@click.pass_obj
def cancel(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Take deliveries out of the queue that were not sent yet. A retry puts them back.

    A dead delivery that holds up its line (on_dead: block) can be cancelled, too: the next one
    goes. Filters choose it by --status dead.

    \b
    flowbridge cancel --route newsletter --dry-run
    flowbridge cancel dlv_01jd2x --yes
    """
    _act(
        "cancel",
        config,
        deliveries,
        {"to": Status.CANCELLED.value, "reason": "cancelled by a person"},
        options,
    )


@click.command(cls=FilteredCommand)
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@click.option(
    "--as",
    "to",
    type=click.Choice(RESOLUTIONS),
    help="What it is; queued sends it again. Without it, what is known is shown.",
)
@click.option(
    "--run-id",
    metavar="RUN",
    help="With --as delivered: the run it started, which is then followed.",
)
@click.option(
    "--force",
    is_flag=True,
    help=(
        "Also what settles itself; with --run-id: although the platform says that it has no such"
        " run."
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
    """Say what became of deliveries whose outcome is unknown, after a look at the platform. Without
    --as: what is known of each.

    It is for what stays unknown. While flowbridge still looks for the run of a delivery itself,
    that one is refused, unless --force is
    given: its run may be found, and is then not started again.

    The run of --run-id is looked up first, where the platform can be asked; one that it does not
    have is refused.

    \b
    flowbridge resolve                                       all that is unknown, with the evidence
    flowbridge resolve dlv_01jd2x --as delivered --run-id 7Hq3bVtDnk2yXcN9wLpRsA
    flowbridge resolve --route paid --as queued
    """
    if run_id is not None and (to != "delivered" or len(deliveries) != 1):
        raise click.UsageError("--run-id goes with --as delivered and with one delivery")
    if to is None:
        from bridge.cli.ui.unknown_view import show_unknown

        show_unknown(settings_of(config), deliveries, OperationRequest.of(options))
        return
    if run_id is not None and not force:
        _look_up(config, deliveries[0], run_id)
    reason = None if to == "queued" else f"resolved as {to} by a person"
    _act(
        "resolve",
        config,
        deliveries,
        {"to": to, "reason": reason, "run_id": run_id, "force": force},
        options,
    )


def _look_up(config: str | None, name: str, run_id: str) -> None:
    """Ask the platform of a delivery for the run. `NotFound` where it has none; what it does not
    tell is said, and taken.
    """
    from bridge.cli.platforms import load_config
    from bridge.services import platform_queries
    from bridge.services.selection import select_named_deliveries
    from bridge.store.operations import actions
    from bridge.store.queries import event_lookup

    with open_store_to_change(settings_of(config)) as database:
        if select_named_deliveries(database, [name], actions.MOVES["resolve"]).problems:
            # the operation says so
            return
        found = event_lookup.show(database, name)
        platform = next(
            one.platform for one in found.deliveries if found.delivery_id in (None, one.id)
        )
    try:
        report = platform_queries.look_at(
            platform_queries.find_platform(load_config(config), platform), run_id
        )
    except BridgeError as error:
        output.say(f"the run was not looked up: {error}")
        return
    if report.gone:
        raise NotFound(
            f"platform {platform} has no run {run_id!r}: {report.detail or 'it says'} (--force"
            " takes it all the same)"
        )
    if report.state is None:
        output.say(f"the run was not looked up: {report.detail}")


def _act(
    name: str,
    config: str | None,
    names: tuple[str, ...],
    how: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    from bridge.services.operation_kinds import moving
    from bridge.services.selection import select_named_deliveries
    from bridge.store.operations import actions

    asked = OperationRequest.of(options)
    move = actions.move_of(name, force=bool(how.get("force")))
    require_items(names, asked)
    settings = settings_of(config)
    with open_store_to_change(settings) as database:
        if names:
            chosen = select_named_deliveries(database, names, move)
        else:
            require_existing(settings, database, **asked.chosen)
            chosen = _chosen(database, name, move, asked)
        if name == "retry" and chosen.ids:
            _say_older_inputs(database, settings, chosen.ids)
        start_operation(
            database,
            settings,
            name,
            chosen.ids,
            chosen.problems,
            asked,
            asked.kept(names, **how),
            moving,
        )


def _say_older_inputs(database: Database, settings: Settings, ids: Sequence[str]) -> None:
    """Say of deliveries that are sent again which inputs an older configuration made, and what
    makes them anew.
    """
    from bridge.services.planned_configs import find_older_inputs

    older = find_older_inputs(database, settings, ids)
    if older is None:
        return
    what = "1 delivery has inputs" if older.count == 1 else f"{older.count} deliveries have inputs"
    output.say(
        f"{what} that an older configuration made (route {', '.join(older.routes)}); retry sends"
        " them as they are."
    )
    one = older.event_id if older.count == 1 else "with the same filters or ids"
    through = f" --through {older.routes[0]}" if older.count == 1 else ""
    output.say(f"To make them anew from routes.yaml as it is now: flowbridge replay {one}{through}")


def _chosen(database: Database, name: str, move: Move, asked: OperationRequest) -> Selection:
    """Return what the filters choose, and say which of these the command is not for."""
    from bridge.services.selection import allowed_states, select_deliveries

    wanted = make_filters(**asked.chosen)
    say_search_size(database, wanted, of_deliveries=True, also=allowed_states(move, wanted))
    chosen = select_deliveries(database, name, move, wanted, asked.limit)
    if chosen.settling:
        what = "is" if chosen.settling == 1 else "are"
        why = (
            "flowbridge looks for the run by itself: flowbridge resolve says when, and what is in"
            " the way"
        )
        output.say(
            f"{count_items(name, chosen.settling)} like that {what} left out: {why} (--force: resolve at"
            " once)"
        )
    if chosen.parked:
        output.say(
            f"{count_items(name, chosen.parked)} like that {'was' if chosen.parked == 1 else 'were'}"
            " parked by planning, and never sent: mend routes.yaml, then `flowbridge replay"
            " --dead-kind config` with the same filters"
        )
    return chosen
