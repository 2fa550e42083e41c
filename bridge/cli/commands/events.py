"""events, deliveries: list stored events and deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.options import AS_JSON, FilteredCommand, filter_options
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.model import OWN_SOURCE_NAME
from bridge.core.text import pluralize
from bridge.services.events.delivery_rows import RUN_PREFIX, ListedDelivery, make_row
from bridge.services.events.delivery_states import describe_outcome
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape

MAX_COUNTED_EVENTS: Final = 100  # of flowbridge's own, which a list leaves out
EVENT_COLUMNS = (
    Column("received", whole=True),
    tables.ID_COLUMN,
    Column("source"),
    Column("type"),
    Column("deliveries", style=output.find_colour, main=True),
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
        "Only events marked as spam (--reason then searches the spam reason), or only the others."
    ),
)
@AS_JSON
@click.pass_obj
def events(config: str | None, /, *, limit: int, as_json: bool, **filters: Any) -> None:
    """List events, newest first, with the states of their deliveries.

    flowbridge's own events, its alerts, are left out unless --source, --route or --type is given.

    \b
    flowbridge events --since 1h
    flowbridge events --source github --type 'issues' --status dead
    flowbridge events --status none          events that no route matched
    flowbridge events --since 1d --body ord_48213
    flowbridge events --limit 0 --json       all events, streamed
    flowbridge events --source flowbridge    flowbridge's own alerts
    """
    with open_bridge(config) as bridge:
        shapes = bridge.list_events(filters, limit)
        if as_json:
            for shape in shapes:
                output.json_line(shape)
            return
        times: list[float] = []
        count = tables.print_table(EVENT_COLUMNS, (_event_row(event, times) for event in shapes))
        _after(
            count,
            limit,
            "events",
            bridge,
            is_filtered=any(value is not None for value in filters.values()),
        )
        if not count or output.on_terminal():
            _say_left_out(bridge, filters, times[-1] if times and count == limit else None)


def _say_left_out(bridge: Bridge, options: Mapping[str, Any], oldest: float | None) -> None:
    """Print how many of flowbridge's own events a list leaves out, since its `oldest`, if any."""
    from bridge.store.queries.filters import Filters

    filters = Filters(source=options["source"], route=options["route"], type=options["type_"])
    if not filters.leaves_out_own:
        return
    since = options["since"] if oldest is None else oldest
    own = bridge.list_events(
        {**options, "source": OWN_SOURCE_NAME, "since": since}, MAX_COUNTED_EVENTS
    )
    if count := sum(1 for _ in own):
        more = " or more" if count == MAX_COUNTED_EVENTS else ""
        output.say(
            f"left out: {pluralize(count, 'event')}{more} of flowbridge itself;"
            f" --source {OWN_SOURCE_NAME} lists them"
        )


def _event_row(shape: Shape, times: list[float]) -> tuple[str, ...]:
    """Return the cells of an event, and append its time to `times`."""
    event = EVENT.parse(shape)
    times.append(event.received_at)
    with expect_shape():
        deliveries = [DELIVERY.parse(delivery) for delivery in shape["deliveries"]]
    outcome = describe_outcome(event, deliveries)
    return output.moment(event.received_at), event.id, event.source, event.type or "", outcome


@click.command(cls=FilteredCommand)
@filter_options()
@AS_JSON
@click.pass_obj
def deliveries(config: str | None, /, *, limit: int, as_json: bool, **filters: Any) -> None:
    """List deliveries, newest first. A delivery is one event to be sent to one flow through one
    route.

    If a route had several flows when it was planned, a terminal shows ROUTE → FLOW.

    \b
    flowbridge deliveries --dead-kind config       to replay after a fix of routes.yaml
    flowbridge deliveries --status dead --reason 'HTTP 403'
    flowbridge deliveries --route triage-opened-issues --since 2026-11-24
    """
    with open_bridge(config) as bridge:
        pairs = bridge.list_deliveries(filters, limit, with_screen=not as_json)
        if as_json:
            for shape, _ in pairs:
                output.json_line(shape)
            return
        wrong: list[str] = []
        rows = (make_row(shape, screen, output.moment) for shape, screen in pairs)
        count = tables.print_table(DELIVERY_COLUMNS, _delivery_cells(rows, wrong))
        if wrong and output.on_terminal():
            output.say(
                f"see the reason and the next step: flowbridge show {output.short_id(wrong[0])}"
            )
        _after(
            count,
            limit,
            "deliveries",
            bridge,
            is_filtered=any(value is not None for value in filters.values()),
        )


def _delivery_cells(rows: Iterable[ListedDelivery], wrong: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row, and append the ids of those that need a person to `wrong`.

    On a terminal the flow may not fit: it is shown with the route if that has several flows.
    """
    for row in rows:
        delivery = row.delivery
        wrong += [delivery.id] if row.needs_person else []
        created = output.moment(delivery.created_at)
        if row.has_several_flows and output.on_terminal():
            route = f"{delivery.route}{tables.ARROW}{delivery.flow}"
            yield created, delivery.id, route, row.status, "-", row.note
        else:
            yield created, delivery.id, delivery.route, row.status, delivery.flow, row.note


def _after(count: int, limit: int, what: str, bridge: Bridge, *, is_filtered: bool) -> None:
    """Print a note where a list was cut, or is empty."""
    if count and count == limit and output.on_terminal():
        output.say(f"the newest {limit}; --limit 0 lists all")
    if count:
        return
    if is_filtered:
        output.say(f"No matching {what}. Without filters: flowbridge {what}")
        return
    output.say(bridge.transport.explain_empty(what))
