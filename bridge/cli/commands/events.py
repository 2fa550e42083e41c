"""events, deliveries: list stored events and deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import (
    AS_JSON,
    FilteredCommand,
    filter_options,
    make_filters,
    require_existing,
    say_search_size,
)
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.errors import ConfigError
from bridge.core.model import Delivery, Event
from bridge.services.delivery_rows import RUN_PREFIX, ListedDelivery, list_deliveries
from bridge.services.delivery_states import describe_outcome
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings

EVENT_COLUMNS = (
    Column("received", whole=True),
    tables.ID_COLUMN,
    Column("source"),
    Column("type"),
    Column("deliveries", style=output.find_colour),
)
DELIVERY_COLUMNS = (
    Column("created", whole=True),
    tables.ID_COLUMN,
    Column("route", cut=tables.cut_route),
    Column("status", style=output.find_colour, whole=True),
    Column("flow", spare=True, optional=True),
    Column("reason", spare=True, short=lambda text: "-" if text.startswith(RUN_PREFIX) else text),
)


@click.command(cls=FilteredCommand)
@filter_options(statuses=("none",))
@click.option(
    "--spam/--not-spam",
    default=None,
    help=(
        "--spam: only events marked as spam (--reason then searches the spam reason);"
        " --not-spam: only the others."
    ),
)
@AS_JSON
@click.pass_obj
def events(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List events, newest first, with the states of their deliveries.

    \b
    flowbridge events --since 1h
    flowbridge events --source github --type 'issues' --status dead
    flowbridge events --status none          events that no route matched
    flowbridge events --since 1d --body ord_48213
    flowbridge events --limit 0 --json       all events, streamed
    """
    from bridge.services.serializers import event_json
    from bridge.store.queries import events as event_queries

    settings = settings_of(config)
    with open_store(settings) as database:
        wanted = make_filters(**chosen)
        require_existing(settings, database, **chosen)
        if database:
            say_search_size(database, wanted, of_deliveries=False)
        found = event_queries.list_events(database, wanted, limit) if database else iter(())
        if as_json:
            for event, deliveries in found:
                output.json_line(event_json(event, deliveries))
            return
        count = tables.print_table(
            EVENT_COLUMNS, (_event_row(event, deliveries) for event, deliveries in found)
        )
        _after(
            count,
            limit,
            "events",
            settings,
            is_filtered=any(value is not None for value in chosen.values()),
        )


def _event_row(event: Event, deliveries: Sequence[Delivery]) -> tuple[str, ...]:
    outcome = describe_outcome(event, deliveries)
    return output.moment(event.received_at), event.id, event.source, event.type or "", outcome


@click.command(cls=FilteredCommand)
@filter_options()
@AS_JSON
@click.pass_obj
def deliveries(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List deliveries, newest first. A delivery is one event to be sent to one flow through one
    route.

    If a route had several flows when it was planned, a terminal shows ROUTE → FLOW.

    \b
    flowbridge deliveries --dead-kind config       to replay after a fix of routes.yaml
    flowbridge deliveries --status dead --reason 'HTTP 403'
    flowbridge deliveries --route triage-opened-issues --since 2026-11-24
    """
    from bridge.services.serializers import delivery_json
    from bridge.store.queries import events as event_queries

    settings = settings_of(config)
    with open_store(settings) as database:
        wanted = make_filters(**chosen)
        require_existing(settings, database, **chosen)
        if database:
            say_search_size(database, wanted, of_deliveries=True)
        found: Iterator[Delivery] = (
            event_queries.list_deliveries(database, wanted, limit) if database else iter(())
        )
        if as_json:
            for delivery in found:
                output.json_line(delivery_json(delivery))
            return
        wrong: list[str] = []
        with_flows = output.on_terminal()
        rows = (
            list_deliveries(database, found, output.moment, with_flows=with_flows)
            if database
            else iter(())
        )
        count = tables.print_table(DELIVERY_COLUMNS, _delivery_cells(rows, wrong))
        if wrong and output.on_terminal():
            output.say(
                f"see the reason and the next step: flowbridge show {output.short_id(wrong[0])}"
            )
        _after(
            count,
            limit,
            "deliveries",
            settings,
            is_filtered=any(value is not None for value in chosen.values()),
        )


def _delivery_cells(rows: Iterator[ListedDelivery], wrong: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row, and append the ids of those that need a person to `wrong`.

    On a terminal the flow may not fit: it is shown with the route if that has several flows.
    """
    for row in rows:
        one = row.delivery
        wrong += [one.id] if row.needs_person else []
        created = output.moment(one.created_at)
        if row.has_several_flows:
            route = f"{one.route}{tables.ARROW}{one.flow}"
            yield created, one.id, route, row.status, "-", row.note
        else:
            yield created, one.id, one.route, row.status, one.flow, row.note


def _after(count: int, limit: int, what: str, settings: Settings, *, is_filtered: bool) -> None:
    """Print a note where a list was cut, or is empty."""
    if count and count == limit and output.on_terminal():
        output.say(f"the newest {limit}; --limit 0 lists all")
    if count:
        return
    if is_filtered:
        output.say(f"No matching {what}. Without filters: flowbridge {what}")
        return
    host = settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    output.say(f"No {what} yet.")
    output.say(
        f"Start `flowbridge serve`, then send one: flowbridge sample {_any_source(settings)} --to"
        f" {host}"
    )


def _any_source(settings: Settings) -> str:
    """Return the name of a source for a sample; "form" where routes.yaml has none or is invalid."""
    with suppress(ConfigError):
        return next(iter(load_present(settings).sources), "form")
    return "form"
