"""Deliveries whose outcome is unknown, with the evidence and the commands that resolve each:
`flowbridge resolve` without --as.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from bridge.cli.actions.request import OperationRequest
from bridge.cli.options import make_filters, require_existing, say_search_size
from bridge.cli.ui import output
from bridge.core.advice import name_command
from bridge.core.errors import NotFound
from bridge.core.units import iso_seconds
from bridge.services.events.delivery_states import describe_status
from bridge.services.selection import Selection, select_unknown, unknown_states
from bridge.services.store_access import open_store
from bridge.services.unknown.unknown_deliveries import (
    UnknownDelivery,
    load_config_if_usable,
    read_unknown_deliveries,
    select_named_unknown,
)

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

PAGE_DELIVERIES: Final = 100  # read at once


def show_unknown(settings: Settings, names: Sequence[str], request: OperationRequest) -> None:
    """Print the unknown deliveries that are named or selected (default: all), newest first."""
    if names and request.is_filtered:
        raise click.UsageError("ids and filters cannot be combined")
    if request.dry_run or request.yes or request.rate:
        raise click.UsageError(
            "without --as nothing is changed; pass --as delivered, queued or dead"
        )
    selection = Selection(ids=())
    with open_store(settings) as database:
        require_existing(settings, database, **request.chosen)
        if database is not None:
            selection = _found(database, names, request)
            config = load_config_if_usable(settings) if selection.ids else None
            for place, unknown_delivery in enumerate(_read_all(database, selection.ids, config)):
                if place and not request.as_json:
                    click.echo()
                output.json_line(unknown_delivery.as_json()) if request.as_json else _print(
                    unknown_delivery
                )
        elif names:
            raise NotFound("nothing has been received yet: there is no database")
    for name, problem in selection.problems.items():
        output.say(f"{name}: {problem}")
    if not selection.ids and not selection.problems:
        output.say(
            "No matching delivery is unknown." if request.is_filtered else "No delivery is unknown."
        )
    elif len(selection.ids) > 1 and not request.as_json and output.on_terminal():
        output.say(
            f"\n{len(selection.ids)} are unknown. Use filters to resolve many at once:"
            f" {name_command('resolve', route='NAME', as_='queued')}"
        )
    sys.exit(1 if selection.problems else 0)


def _found(database: Database, names: Sequence[str], request: OperationRequest) -> Selection:
    if names:
        return select_named_unknown(database, names)
    filters = make_filters(**request.chosen)
    say_search_size(database, filters, of_deliveries=True, also=unknown_states())
    return select_unknown(database, filters, request.limit)


def _read_all(
    database: Database, ids: Sequence[str], config: Config | None
) -> Iterator[UnknownDelivery]:
    """Yield the deliveries with these ids that are still stored."""
    for at in range(0, len(ids), PAGE_DELIVERIES):
        page = ids[at : at + PAGE_DELIVERIES]
        yield from read_unknown_deliveries(database, page, config).values()


def _print(unknown_delivery: UnknownDelivery) -> None:
    delivery = unknown_delivery.delivery
    click.secho(output.clean(delivery.id), bold=True)
    output.line("route", f"{delivery.route} → {delivery.flow}")
    output.line(
        "event",
        f"{unknown_delivery.event.id}  {unknown_delivery.event.source}"
        f" {unknown_delivery.event.type or ''}".rstrip(),
    )
    output.line("status", describe_status(delivery), "yellow")
    output.line("reason", delivery.reason, "yellow")
    lost = unknown_delivery.lost
    if lost is not None:
        output.line(
            "the call",
            f"attempt {lost.number}, from {iso_seconds(lost.started_at)} to"
            f" {iso_seconds(lost.finished_at) or 'an unknown time'}",
        )
        output.line("how it ended", ": ".join(filter(None, (lost.outcome, lost.detail))))
    for name, value in unknown_delivery.evidence:
        output.line(name, value)
    output.line("look at", unknown_delivery.place_to_look)
    for row, step in enumerate(unknown_delivery.next_steps):
        output.line("" if row else "next", step)
    if not unknown_delivery.commands:
        output.line("", "flowbridge resolve is for deliveries that stay unknown")
    for command, when in unknown_delivery.commands:
        output.line(when, command)
