"""db prune: delete old data."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import DRY_RUN, YES
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, require_existing
from bridge.cli.ui import output, tables
from bridge.cli.ui.progress import progress_bar
from bridge.cli.ui.tables import Column
from bridge.cli.usable_config import load_usable
from bridge.core.errors import NotFound
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.store.operations.prune import Pruning

PAUSE_FACTOR = 2.0  # times the duration of a batch, before the next
KIND_WORDS = {
    "events": "whole events",
    "bodies": "contents of events that stay",
    "rejects": "rejects",
}


@click.command()
@click.option("--source", metavar="NAME", help="Only from this source.")
@AS_JSON
@DRY_RUN
@YES
@click.pass_obj
def prune(
    config: str | None, /, source: str | None, as_json: bool, dry_run: bool, yes: bool
) -> None:
    """Delete old data, according to `retention` in routes.yaml. A worker does the same once an
    hour.

    Data that still needs a decision stays, however old. flowbridge can keep running. The file does
    not shrink: new data uses the free space, or db vacuum returns it to the disk.

    \b
    flowbridge db prune --dry-run
    flowbridge db prune --source github --yes
    """
    from bridge.store.db.clock import DatabaseClock
    from bridge.store.operations import prune as prune_operation

    settings = settings_of(config)
    routes = load_usable(settings)
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing has been received yet: there is no database")
        require_existing(settings, database, source=source)
        clock = DatabaseClock(database)
        clock.set()
        round_ = prune_operation.Pruning(database, routes, clock(), source)
        counts = prune_operation.count_expired(round_)
        total = sum(count["rows"] for count in counts)
        if dry_run:
            _print_count(counts, as_json=as_json)
        elif confirm(
            _question(counts), total, dry_run=False, yes=yes or not total, as_json=as_json
        ):
            _print(_prune(round_, total), as_json=as_json)


def _question(counts: list[dict[str, Any]]) -> str:
    counted: Counter[str] = Counter()
    for count in counts:
        counted[count["kind"]] += count["rows"]
    return "To delete: " + (
        ", ".join(f"{counted[kind]} {KIND_WORDS[kind]}" for kind in KIND_WORDS if counted[kind])
        or "only internal records"
    )


def _print_count(counts: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for count in counts:
            output.json_line(count)
        return
    columns = (Column("to delete"), Column("source"), Column("rows"), Column("MiB"))
    rows = (
        (row["kind"], row["source"], row["rows"], f"{row['bytes'] / 1024 / 1024:.1f}")
        for row in counts
    )
    if not tables.print_table(columns, rows):
        output.say("Nothing is older than `retention` allows.")


def _prune(round_: Pruning, total: int) -> Counter[str]:
    from bridge.store.operations import prune as prune_operation

    gone: Counter[str] = Counter()

    def write(work: Any) -> Any:
        began = time.monotonic()
        counts = round_.database.write(work)
        time.sleep(PAUSE_FACTOR * (time.monotonic() - began))
        return counts

    try:
        with progress_bar("prune", total) as advance:
            for kind, _, counts in prune_operation.prune(round_, write):
                gone.update(counts)
                advance(counts.get("event", 0) + counts.get("body", 0) if kind in KIND_WORDS else 0)
    except KeyboardInterrupt:
        output.say("Stopped; the rest is deleted the next time.")
    return gone


def _print(gone: Counter[str], *, as_json: bool) -> None:
    if as_json:
        output.json_line({"rows": dict(gone)})
    else:
        output.answer("deleted: " + (output.rows_of(gone) or "nothing"))
