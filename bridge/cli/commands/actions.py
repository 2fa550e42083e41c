"""replay, retry, cancel, resolve: act on what is kept, on one or on all that filters choose, after
a count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions import run
from bridge.cli.actions.run import Asked, asking, need_some, things
from bridge.cli.options import (
    FilteredCommand,
    existing,
    filtered,
    filters,
    searching,
    settings_of,
    wrong_usage,
)
from bridge.cli.ui import output
from bridge.core.errors import BridgeError, NotFound
from bridge.core.model import Status
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.operations import ReplaySelection
    from bridge.services.selection import Selection
    from bridge.store.db.database import Database
    from bridge.store.operations.actions import Move

SETTLED = ("delivered", "queued", "dead")
NOW = "now"
THEN = "then"


@click.command(cls=FilteredCommand)
@click.argument("events", metavar="[EVENT]...", nargs=-1)
@click.option(
    "--through",
    metavar="ROUTE",
    help="Plan through this route only (default: that of --route, else every route).",
)
@click.option(
    "--with-routes",
    "when",
    type=click.Choice([NOW, THEN]),
    default=NOW,
    show_default=True,
    help=(
        "The routes.yaml to plan with: as it is now, or as it was then, when the event was first"
        " planned."
    ),
)
@filtered(statuses=("none",), limit=0)
@asking
@click.pass_obj
def replay(
    config: str | None, /, events: tuple[str, ...], through: str | None, when: str, **options: Any
) -> None:
    """Plan stored events again: new deliveries, whatever became of the earlier ones. Credentials
    are those of now in any case.

    Many are planned as fast as they can be, and those of a route stand in front of what comes in
    later: --rate paces them. `flowbridge operations resume` continues one that was
    interrupted. What is held to be spam is not replayed: flowbridge spam release.

    Filters choose the events that a route matches now. It says first how many, and how many others
    are left out, and why; a dry run says the same.

    \b
    flowbridge replay evt_01jd2x
    flowbridge replay --status none --since 1d     what no route matched, after a change
    flowbridge replay --dead-kind config --since 1h   what could not be planned
    flowbridge replay --source github --since 2d --through new-route --rate 50/s
    """
    from bridge.cli.actions.replay_count import select_events
    from bridge.services.operation_kinds import replaying
    from bridge.services.selection import select_named_events
    from bridge.store.queries import events as event_queries

    asked = Asked.of(options)
    need_some(events, asked)
    settings = settings_of(config)
    how = {"through": through or asked.chosen["route"], "routes": when if when != NOW else None}
    with wrong_usage():
        routes = replaying(settings, how)
    with open_store_to_change(settings) as database:
        chosen = select_named_events(database, events)
        ids = chosen.ids
        if not events:
            existing(settings, database, **asked.chosen)
            wanted = filters(**asked.chosen, spam=False)
            searching(database, wanted, of_deliveries=False)
            ids = event_queries.event_ids(database, wanted, asked.limit)
        found = select_events(database, routes(database, None), ids, is_named=bool(events))
        ids = list(found.ids)
        if again := event_queries.going(database, ids, how["through"]):
            output.say(
                f"{again} of them {'has' if again == 1 else 'have'} deliveries that went already or"
                " are about to go: those flows are started again, unless --through names another"
                " route"
            )
        go(
            database,
            settings,
            "replay",
            ids,
            chosen.problems,
            asked,
            asked.kept(events, **how),
            routes,
            replayed=found,
        )


@click.command(cls=FilteredCommand)
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@filtered(limit=0)
@asking
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
@filtered(limit=0)
@asking
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
    type=click.Choice(SETTLED),
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
@filtered(limit=0)
@asking
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

        show_unknown(settings_of(config), deliveries, Asked.of(options))
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
    from bridge.cli.platforms import config_of
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
            platform_queries.find_platform(config_of(config), platform), run_id
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

    asked = Asked.of(options)
    move = actions.move_of(name, force=bool(how.get("force")))
    need_some(names, asked)
    settings = settings_of(config)
    with open_store_to_change(settings) as database:
        if names:
            chosen = select_named_deliveries(database, names, move)
        else:
            existing(settings, database, **asked.chosen)
            chosen = _chosen(database, name, move, asked)
        if name == "retry" and chosen.ids:
            _say_older_inputs(database, settings, chosen.ids)
        go(
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


def _chosen(database: Database, name: str, move: Move, asked: Asked) -> Selection:
    """Return what the filters choose, and say which of these the command is not for."""
    from bridge.services.selection import allowed_states, select_deliveries

    wanted = filters(**asked.chosen)
    searching(database, wanted, of_deliveries=True, also=allowed_states(move, wanted))
    chosen = select_deliveries(database, name, move, wanted, asked.limit)
    if chosen.settling:
        what = "is" if chosen.settling == 1 else "are"
        why = (
            "flowbridge looks for the run by itself: flowbridge resolve says when, and what is in"
            " the way"
        )
        output.say(
            f"{things(name, chosen.settling)} like that {what} left out: {why} (--force: resolve at"
            " once)"
        )
    if chosen.parked:
        output.say(
            f"{things(name, chosen.parked)} like that {'was' if chosen.parked == 1 else 'were'}"
            " parked by planning, and never sent: mend routes.yaml, then `flowbridge replay"
            " --dead-kind config` with the same filters"
        )
    return chosen


def go(  # noqa: PLR0913 - one place for the end of every command that acts
    database: Database,
    settings: Settings,
    name: str,
    ids: Sequence[str],
    problems: Mapping[str, str],
    asked: Asked,
    kept_asked: Mapping[str, Any],
    doing: Any,
    *,
    replayed: ReplaySelection | None = None,
) -> None:
    """Ask, keep what was chosen, and do it. `doing` makes of the act what is done to its items.

    `replayed`: of a replay, what is left out and what will be refused.
    """
    from bridge.services.operations import begin_operation, find_actor

    verb = run.VERBS.get(name, name)
    if not ids and not problems and not asked.dry_run:
        output.say(f"No {things(name, 0).partition(' ')[2]} like that to {verb}.")
        return
    count = len(ids) if replayed is None else replayed.count
    more = {} if replayed is None else replayed.as_json()
    if not run.agreed(f"{things(name, count)} to {verb}", count, asked, more):
        return
    one = (
        begin_operation(database, name, ids, actor=find_actor(settings), asked=kept_asked)
        if ids
        else None
    )
    run.carry_out(database, name, one, doing(database, one) if one else None, asked, problems)
