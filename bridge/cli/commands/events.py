"""events, deliveries, show: look at what is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import (
    AS_JSON,
    FilteredCommand,
    existing,
    filtered,
    filters,
    searching,
    settings_of,
)
from bridge.cli.ui import output
from bridge.cli.ui.output import Column
from bridge.core.errors import ConfigError, NotFound
from bridge.core.model import Delivery, Event
from bridge.services.delivery_rows import RUN_PREFIX, DeliveryRow, delivery_rows
from bridge.services.delivery_states import describe_outcome
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.event_details import NamedRecord
    from bridge.store.blobs import Blobs
    from bridge.store.db.database import Database
    from bridge.store.queries.event_lookup import EventHistory

NO_FILES = "a reject has no files: flowbridge stores none of a request that failed verification"
EVENT_COLUMNS = (
    Column("received", whole=True),
    output.ID,
    Column("source"),
    Column("type"),
    Column("deliveries", style=output.styled),
)
DELIVERY_COLUMNS = (
    Column("created", whole=True),
    output.ID,
    Column("route", cut=output.cut_route),
    Column("status", style=output.styled, whole=True),
    Column("flow", spare=True, optional=True),
    Column("reason", spare=True, short=lambda text: "-" if text.startswith(RUN_PREFIX) else text),
)


@click.command(cls=FilteredCommand)
@filtered(statuses=("none",))
@click.option(
    "--spam/--not-spam",
    default=None,
    help="Only what is held to be spam (--reason is then why), or only the rest.",
)
@AS_JSON
@click.pass_obj
def events(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List events, newest first, each with what became of it.

    \b
    flowbridge events --since 1h
    flowbridge events --source github --type 'issues' --status dead
    flowbridge events --status none          those that no route matched
    flowbridge events --since 1d --body ord_48213
    flowbridge events --limit 0 --json       everything, as it streams
    """
    from bridge.monitoring.serializers import event_json
    from bridge.store.queries import events as event_queries

    settings = settings_of(config)
    with open_store(settings) as database:
        wanted = filters(**chosen)
        existing(settings, database, **chosen)
        if database:
            searching(database, wanted, of_deliveries=False)
        found = event_queries.list_events(database, wanted, limit) if database else iter(())
        if as_json:
            for event, deliveries in found:
                output.json_line(event_json(event, deliveries))
            return
        count = output.print_table(
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
    told = describe_outcome(event, deliveries)
    return output.moment(event.received_at), event.id, event.source, event.type or "", told


@click.command(cls=FilteredCommand)
@filtered()
@AS_JSON
@click.pass_obj
def deliveries(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List deliveries, newest first. A delivery is one event bound for one flow by one route.

    Where a route had several flows when it was planned, a terminal shows them as ROUTE → FLOW.

    \b
    flowbridge deliveries --dead-kind config       to replay, once routes.yaml is right
    flowbridge deliveries --status dead --reason 'HTTP 403'
    flowbridge deliveries --route triage-opened-issues --since 2026-11-24
    """
    from bridge.monitoring.serializers import delivery_json
    from bridge.store.queries import events as event_queries

    settings = settings_of(config)
    with open_store(settings) as database:
        wanted = filters(**chosen)
        existing(settings, database, **chosen)
        if database:
            searching(database, wanted, of_deliveries=True)
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
            delivery_rows(database, found, output.moment, with_flows=with_flows)
            if database
            else iter(())
        )
        count = output.print_table(DELIVERY_COLUMNS, _delivery_cells(rows, wrong))
        if wrong and output.on_terminal():
            output.say(f"why, and what to do next: flowbridge show {output.short_id(wrong[0])}")
        _after(
            count,
            limit,
            "deliveries",
            settings,
            is_filtered=any(value is not None for value in chosen.values()),
        )


def _delivery_cells(rows: Iterator[DeliveryRow], wrong: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row, and append the ids of those that need a person to `wrong`.

    On a terminal the flow may not fit: it is shown with the route if that has several flows.
    """
    for row in rows:
        one = row.delivery
        wrong += [one.id] if row.needs_person else []
        created = output.moment(one.created_at)
        if row.has_several_flows:
            route = f"{one.route}{output.ARROW}{one.flow}"
            yield created, one.id, route, row.status, "-", row.note
        else:
            yield created, one.id, one.route, row.status, one.flow, row.note


def _after(count: int, limit: int, what: str, settings: Settings, *, is_filtered: bool) -> None:
    """Say, beside the answer, what a list alone does not: that there is more, or why there is
    nothing.
    """
    if count and count == limit and output.on_terminal():
        output.say(f"the newest {limit}; --limit 0 lists all")
    if count:
        return
    if is_filtered:
        output.say(f"No {what} like that. Without filters: flowbridge {what}")
        return
    host = settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    output.say(f"No {what} yet.")
    output.say(
        f"Start `flowbridge serve`, then send one: flowbridge sample {_any_source(settings)} --to"
        f" {host}"
    )


def _any_source(settings: Settings) -> str:
    """Return the name of a source that a sample can go to; "form" where routes.yaml has none, or
    cannot be used.
    """
    with suppress(ConfigError):
        return next(iter(load_present(settings).sources), "form")
    return "form"


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--body",
    "with_body",
    is_flag=True,
    help="Of a delivery, a run or an event: the whole request too, however long it is.",
)
@click.option(
    "--all",
    "with_all",
    is_flag=True,
    help="On a terminal: also what is folded, so that the rest fits a screen.",
)
@click.option(
    "--save",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=(
        "Write its files to this folder instead, never over what is there, and print where each is."
    ),
)
@AS_JSON
@click.pass_obj
def show(
    config: str | None,
    /,
    id_: str | None,
    with_body: bool,
    with_all: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Show one event with its deliveries, their attempts and runs; one delivery; or one reject, and
    why it failed.

    ID is the id of an event, a delivery, a run or a reject. A beginning or an ending that no other
    id shares is enough; without ID the newest event of a sender is shown. A line on stderr names an
    alert of flowbridge's own that is newer.

    On a terminal inputs, outputs, log and body are cut to a few lines, and headers and early
    attempts are left out; --all shows all.

    It says why a route did not match: which clause failed, what it expected, and what it found.
    Where an input has no value, as its path leads nowhere in the event, it says which input and
    which path. Both are worked out with the routes.yaml of now.

    \b
    flowbridge show                                   the newest event
    flowbridge show k2m9abcd                          by the ending of its id, as lists print it
    flowbridge show dlv_01jd2x… --json | jq .deliveries
    flowbridge show evt_01jd2x --save cvs/            the files that came with a form
    """
    from bridge.services.event_details import REJECT_PREFIX

    if folder is not None and id_ is not None and id_.startswith(REJECT_PREFIX):
        raise click.UsageError(NO_FILES)
    settings = settings_of(config)
    is_folded = output.on_terminal() and not with_all
    with open_store(settings) as database:
        if database is None:
            missing = "" if id_ is None else f"no event, delivery or run has the id {id_!r}: "
            raise NotFound(f"{missing}nothing was received yet")
        record = _find(database, id_)
        if record.found is not None:
            _show_event(
                database,
                record.found,
                settings,
                with_body=with_body,
                is_folded=is_folded,
                folder=folder,
                as_json=as_json,
            )
            return
    if folder is not None:
        raise click.UsageError(NO_FILES)
    if record.reject is not None:
        from bridge.cli.commands.rejects import show_reject

        show_reject(
            config, record.reject, with_body=with_body, is_folded=is_folded, as_json=as_json
        )


def _find(database: Database, text: str | None) -> NamedRecord:
    """Return what `text` names, and name on stderr an alert that is newer than the newest event."""
    from bridge.services.event_details import find_record

    record = find_record(database, text)
    if record.alert_id is not None:
        short = output.ending(record.alert_id)
        output.say(f"newer: alert {record.alert_id} (flowbridge show {short})")
    return record


def _show_event(
    database: Database,
    found: EventHistory,
    settings: Settings,
    *,
    with_body: bool,
    is_folded: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    from bridge.cli.ui.event_view import print_delivery, print_event
    from bridge.cli.usable_config import say_unusable
    from bridge.services.event_details import read_event_details
    from bridge.store.blobs import Blobs

    if folder is not None:
        sys.exit(not _save_files(found.event, Blobs.of(settings), folder, as_json=as_json))
    details = read_event_details(database, settings, found, with_reasons=not as_json)
    say_unusable(details.reasons.config_error)
    if as_json:
        output.json_line(details.as_json())
    elif details.asked_for is not None:
        print_delivery(details, details.asked_for, with_body=with_body, is_folded=is_folded)
    else:
        print_event(details, with_body=with_body, is_folded=is_folded)


def _save_files(event: Event, blobs: Blobs, folder: Path, *, as_json: bool) -> bool:
    """Save the files of an event and print where each is; return whether all were there to be
    written.
    """
    from bridge.services.saved_files import save_files

    is_whole = True
    for one in save_files(event, blobs, folder):
        if one.path is None:
            is_whole = False
            name = output.clean(one.file.name)
            output.say(f"the bytes of {name} are not in the data folder of this machine")
        elif as_json:
            output.json_line(one.as_json())
        else:
            output.answer(output.clean(str(one.path)))
    return is_whole
