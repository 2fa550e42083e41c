"""events, deliveries, show: look at what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from bridge.cli import output
from bridge.cli.output import Column
from bridge.cli.selection import AS_JSON, filtered, filters, opened, settings_of
from bridge.errors import NotFound
from bridge.model import Delivery, Event

if TYPE_CHECKING:
    from bridge.settings import Settings

EVENT_COLUMNS = (
    Column("received", whole=True),
    Column("id", whole=True),
    Column("source"),
    Column("type"),
    Column("deliveries", style=output.styled),
)
DELIVERY_COLUMNS = (
    Column("created", whole=True),
    Column("id", whole=True),
    Column("route"),
    Column("status", style=output.styled, whole=True),
    Column("flow", spare=True),
    Column("reason", spare=True),
)


@click.command()
@filtered(statuses=("none",))
@AS_JSON
@click.pass_obj
def events(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List events, newest first, each with what became of it.

    \b
    flowbridge events --since 1h
    flowbridge events --source github --type 'issues' --status dead
    flowbridge events --status none          those that no route matched
    flowbridge events --limit 0 --json       everything, as it streams
    """
    from bridge.shapes import event_json
    from bridge.store import queries

    settings = settings_of(config)
    with opened(settings) as database:
        found = queries.list_events(database, filters(**chosen), limit) if database else iter(())
        if as_json:
            for event, deliveries in found:
                output.json_line(event_json(event, deliveries))
            return
        count = output.print_table(EVENT_COLUMNS, (_event_row(event, deliveries) for event, deliveries in found))
        _after(count, limit, "events", settings, is_filtered=any(value is not None for value in chosen.values()))


def _event_row(event: Event, deliveries: Sequence[Delivery]) -> tuple[str, ...]:
    counts = Counter(map(output.standing, deliveries))
    became = " · ".join(f"{count} × {word}" if count > 1 else word for word, count in counts.items())
    duplicates = f"{event.duplicates} duplicates" if event.duplicates else ""
    same_body = "same body as another" if event.same_body_as else ""
    became = became or (event.problem and "none") or "none: no route matched"
    told = " · ".join(filter(None, (became, event.problem, duplicates, same_body)))
    return output.moment(event.received_at), event.id, event.source, event.type or "", told


@click.command()
@filtered()
@AS_JSON
@click.pass_obj
def deliveries(config: str | None, /, *, limit: int, as_json: bool, **chosen: Any) -> None:
    """List deliveries, newest first. A delivery is one event bound for one flow by one route.

    \b
    flowbridge deliveries --status dead
    flowbridge deliveries --route triage-opened-issues --since 2026-11-24
    """
    from bridge.shapes import delivery_json
    from bridge.store import queries

    settings = settings_of(config)
    with opened(settings) as database:
        found: Iterator[Delivery] = queries.list_deliveries(database, filters(**chosen), limit) if database else iter(())
        if as_json:
            for delivery in found:
                output.json_line(delivery_json(delivery))
            return
        count = output.print_table(DELIVERY_COLUMNS, map(_delivery_row, found))
        _after(count, limit, "deliveries", settings, is_filtered=any(value is not None for value in chosen.values()))


def _delivery_row(delivery: Delivery) -> tuple[str, ...]:
    reason = delivery.reason or (f"run {delivery.run_id}" if delivery.run_id else "")
    return output.moment(delivery.created_at), delivery.id, delivery.route, output.standing(delivery), delivery.flow, reason


def _after(count: int, limit: int, what: str, settings: Settings, *, is_filtered: bool) -> None:
    """Say, beside the answer, what a list alone does not: that there is more, or why there is nothing."""
    if count and count == limit and output.on_terminal():
        output.say(f"the newest {limit}; --limit 0 lists all")
    if count:
        return
    if is_filtered:
        output.say(f"No {what} like that. Without filters: flowbridge {what}")
        return
    host = settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    output.say(f"No {what} yet.")
    output.say(f"Start `flowbridge serve`, then send one: flowbridge sample form --to {host}")


@click.command()
@click.argument("id_", metavar="ID")
@AS_JSON
@click.pass_obj
def show(config: str | None, /, id_: str, as_json: bool) -> None:
    """Show one event with its deliveries, their attempts and runs, and what was sent; or one reject, and why it failed.

    ID is that of an event, of a delivery, of a run or of a reject; its beginning will do.

    \b
    flowbridge show evt_01jd2x
    flowbridge show dlv_01jd2x… --json | jq .deliveries
    """
    if id_.startswith("rej_"):
        from bridge.cli.rejects import show_reject

        show_reject(config, id_, as_json=as_json)
        return
    from bridge.shapes import whole_event_json
    from bridge.store import queries

    with opened(settings_of(config)) as database:
        if database is None:
            raise NotFound(f"no event, delivery or run has the id {id_!r}: nothing was received yet")
        found = queries.show(database, id_)
    if as_json:
        output.json_line(whole_event_json(found.event, found.deliveries, found.attempts))
        return
    from bridge.cli.one_event import print_event

    print_event(found)
