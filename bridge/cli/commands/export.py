"""export: what people filled in, as CSV for a spreadsheet or as JSON, one submission a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.options import FilteredCommand, existing, filtered, filters, searching, settings_of
from bridge.cli.ui import output
from bridge.cli.usable_config import present_sources
from bridge.core.model import JSON, Event
from bridge.services.store_access import open_store
from bridge.services.usable_config import body_reader

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Body
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

MOST_COLUMNS = 1000
ABOUT = ("received_at", "id", "source")  # the columns before the fields


@click.command(cls=FilteredCommand)
@filtered(statuses=("none",), limit=0)
@click.option(
    "--spam", is_flag=True, help="Only what is held to be spam, which is left out otherwise."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="What is written.",
)
@click.pass_obj
def export(config: str | None, /, *, limit: int, kind: str, **chosen: Any) -> None:
    """Write what people filled in, oldest first: of forms, and of services for forms such as
    Typeform.

    CSV has a column for each field; a text that a spreadsheet would run as a formula has an
    apostrophe before it. Events of other senders, and those whose body cannot be read, or went by
    `retention`, are left out, and counted at the end.

    \b
    flowbridge export --source contact > contact.csv
    flowbridge export --source contact --since 2026-11-01 --as jsonl
    flowbridge export --status none                 those that no route matched
    """
    settings = settings_of(config)
    with open_store(settings) as database:
        if database is None:
            output.say("No submissions: nothing was received yet.")
            return
        existing(settings, database, **chosen)
        submissions = _Submissions(database, settings, filters(**chosen), limit)
        count = _write_csv(submissions) if kind == "csv" else _write_lines(submissions)
    left = f"; {submissions.left_out} other events left out" if submissions.left_out else ""
    output.say(f"{count} submission{'s' * (count != 1)} written{left}")


class _Submissions:
    """The events that were asked for and are submissions, each with its fields; they can be gone
    through again.
    """

    def __init__(self, database: Database, settings: Settings, wanted: Filters, limit: int) -> None:
        from bridge.store.queries import events

        searching(database, wanted, of_deliveries=False)
        self._database = database
        self._read = body_reader(present_sources(settings))
        self._ids = events.event_ids(database, wanted, limit)
        self.left_out = 0

    def __iter__(self) -> Iterator[tuple[Event, dict[str, JSON]]]:
        from bridge.store.queries import events

        self.left_out = 0
        for event in events.whole_events(self._database, self._ids):
            fields = _fields(event, self._read)
            if fields is None:
                self.left_out += 1
            else:
                yield event, fields


def _fields(event: Event, read: Callable[[Event], Body]) -> dict[str, JSON] | None:
    from bridge.core.retention import is_emptied
    from bridge.routing.planner import filled_in

    if is_emptied(event):
        return None
    body = read(event)
    found = filled_in(event, body)
    return dict(found) if found is not None and body.problem is None else None


def _write_lines(submissions: _Submissions) -> int:
    count = 0
    for event, fields in submissions:
        output.json_line(_about(event) | {"type": event.type, "fields": fields})
        count += 1
    return count


def _write_csv(submissions: _Submissions) -> int:
    """Write CSV; all is read twice, since the columns stand before the rows."""
    from bridge.flows.ready.csv_format import cell, record

    names: dict[str, None] = {}
    for _, fields in submissions:
        names |= dict.fromkeys(fields)
    columns = list(names)[:MOST_COLUMNS]
    if len(names) > MOST_COLUMNS:
        output.say(
            f"only {MOST_COLUMNS} of {len(names)} fields are columns: those that came first; --as"
            " jsonl has all"
        )
    write = sys.stdout.buffer.write
    write(record([*ABOUT, *(cell(name) for name in columns)]))
    count = 0
    for event, fields in submissions:
        write(
            record(
                cell(value)
                for value in (*_about(event).values(), *(fields.get(name) for name in columns))
            )
        )
        count += 1
    return count


def _about(event: Event) -> dict[str, JSON]:
    from bridge.monitoring.serializers import iso

    return dict(zip(ABOUT, (iso(event.received_at), event.id, event.source), strict=True))
