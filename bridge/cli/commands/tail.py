"""tail: follow events and their deliveries as they happen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.changes import BridgeChange
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import AS_JSON, FilteredCommand, filter_options
from bridge.cli.ui import output, tables
from bridge.core.model import Reject
from bridge.services.events.delivery_states import describe_status
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.services.records.json_record import expect_shape, require_time
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

POLL_SECONDS = 0.3
# characters of `delivered, failed` and of an event's id
STATE_CHARS = 17
ID_CHARS = 30


@click.command(cls=FilteredCommand)
@filter_options(statuses=(), limit=10, until=False, body=False)
@AS_JSON
@click.pass_obj
def tail(config: str | None, /, *, limit: int, as_json: bool, **filters: Any) -> None:
    """Follow events and the states of their deliveries as they happen, until Ctrl-C.

    The newest events (--limit) are printed first. With --json, each line is an event (its id begins
    with evt_) or a delivery that has changed (dlv_).

    \b
    flowbridge tail
    flowbridge tail --status dead --limit 0
    flowbridge tail --source github --limit 0
    flowbridge tail --json | jq -c 'select(.status == "dead")'
    """
    with suppress(KeyboardInterrupt):
        runs = find_server() is not None or _wait_for(settings_of(config))
        with open_bridge(config) as bridge:
            follow_changes(
                bridge, filters, before=limit, as_json=as_json, note=_waiting(filters, runs=runs)
            )


def _wait_for(settings: Settings) -> bool:
    """Wait until there is a store, and return whether a bridge runs on it."""
    has_waited = False
    while True:
        with open_store(settings) as database:
            if database is not None:
                return has_waited or is_running(settings, database)
        if not has_waited:
            output.say(
                "Nothing has been received yet; waiting for `flowbridge serve`… Stop with Ctrl-C."
            )
            has_waited = True
        pause(POLL_SECONDS)


def pause(seconds: float) -> None:
    """Wait between two looks."""
    time.sleep(seconds)


def is_running(settings: Settings, database: Database) -> bool:
    """Tell whether a bridge on this machine uses the data folder, or any worker uses the store."""
    from bridge.monitoring.presence import list_bridges
    from bridge.store.queue.heartbeats import workers_alive

    return bool(list_bridges(settings.data)) or workers_alive(database, time.time()) > 0


def _waiting(filters: Mapping[str, Any], *, runs: bool) -> str:
    """Return the note before the wait: the filters, and the command to start where none runs."""
    options = [
        f"--{name.rstrip('_').replace('_', '-')} {value}"
        for name, value in filters.items()
        if isinstance(value, str)
    ]
    fitting = f" that match {' '.join(options)}" if options else ""
    missing = "" if runs else "No bridge runs on this store; start one: flowbridge serve\n"
    return f"{missing}Waiting for events{fitting}; stop with Ctrl-C."


def follow_changes(
    bridge: Bridge, filters: Mapping[str, Any], *, before: int, as_json: bool, note: str
) -> None:
    """Print the newest `before` events and the note, then print every change; does not return."""
    changes = bridge.follow_changes(filters)
    for shape in reversed(list(bridge.list_events(filters, before) if before else ())):
        with expect_shape():
            at = require_time(shape["received_at"])
        print_change(BridgeChange(at, event=shape), as_json=as_json)
    output.say(note)
    while True:
        for change in changes.read_changes():
            print_change(change, as_json=as_json)
        pause(changes.poll_seconds)


def print_change(change: BridgeChange, *, as_json: bool) -> None:
    """Print one change on a line."""
    if as_json:
        output.json_line(change.event or change.delivery)
    elif change.event is not None:
        _print_event(change.at, change.event)
    elif change.delivery is not None:
        delivery = DELIVERY.parse(change.delivery)
        _print_line(
            change.at,
            f"  {delivery.route} → {delivery.flow}",
            describe_status(delivery),
            delivery.reason or delivery.run_id or "",
        )


def _print_event(at: float, shape: Shape) -> None:
    event = EVENT.parse(shape)
    with expect_shape():
        deliveries = [DELIVERY.parse(delivery) for delivery in shape["deliveries"]]
    standing = (
        event.problem
        or (event.spam and f"spam: {event.spam}")
        or " · ".join(map(describe_status, deliveries))
        or "no route matched"
    )
    _print_line(at, f"{event.source} {event.type or ''}".rstrip(), standing, event.id)


def print_refused(reject: Reject) -> None:
    """Print a request that failed verification on a line."""
    _print_line(reject.received_at, reject.source, "401 refused", reject.id)


def _print_line(at: float, what: str, standing: str, detail: str) -> None:
    """Print columns of fixed width; on a terminal longer texts are cut to fit."""
    what = output.clean(what)
    standing = output.clean(standing)
    detail = output.clean(detail)
    clock = output.clock(at)
    wide = 36
    if output.on_terminal():
        room = get_terminal_size().columns
        clock = clock[:8]
        wide = min(
            max(room - len(clock) - STATE_CHARS - ID_CHARS - 3 * tables.COLUMN_GAP, 16), wide
        )
        what = _cut(what, wide)
        detail = _cut(
            detail, max(room - len(clock) - wide - STATE_CHARS - 3 * tables.COLUMN_GAP, ID_CHARS)
        )
    coloured = click.style(
        standing.ljust(STATE_CHARS), fg=output.find_colour(standing.replace("·", " ")) or "yellow"
    )
    click.echo(f"{click.style(clock, dim=True)}  {what.ljust(wide)}  {coloured}  {detail}".rstrip())


def _cut(text: str, wide: int) -> str:
    return text if len(text) <= wide else text[: wide - 1] + "…"
