"""erase: take a person out of all that is kept."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.actions.request import OperationRequest, operation_options
from bridge.cli.command_settings import settings_of
from bridge.cli.options import require_existing, wrong_usage
from bridge.cli.ui import output
from bridge.cli.ui.progress import progress_bar
from bridge.cli.usable_config import load_sources
from bridge.services import erasure
from bridge.services.store_access import open_store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence, Set

    from bridge.config.settings import Settings
    from bridge.core.model import Delivery
    from bridge.core.operations import Act
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.operations.erase import Erasing

MAX_LISTED = 20  # runs, and files


@click.command()
@click.argument("subject")
@click.option(
    "--source", metavar="NAME", help="Only what came in at this source, and what was made of it."
)
@click.option(
    "--field", metavar="PATH", help="Only in fields whose path ends so: email, customer.email."
)
@click.option(
    "--anywhere",
    is_flag=True,
    help="As a part of any text, in headers and logs too, not only as the whole of a field.",
)
@operation_options
@click.pass_obj
def erase(
    config: str | None,
    /,
    subject: str,
    source: str | None,
    field: str | None,
    anywhere: bool,
    **options: Any,
) -> None:
    """Take a person out of all that is kept: SUBJECT is what a field holds, such as an e-mail
    address, in any case; - reads it from stdin.

    Events that hold it go with deliveries, attempts, inputs, outputs, runs and files; so do
    rejects, and runs of the local platform that others started. What waits is taken out of the
    queue; what is under way is refused, to be erased once it is over. What went to flows is listed:
    what they did with it is theirs. It is kept as an act, which does not say who it was.

    Backups that were made before hold it still; files that were uploaded, or came with a form, are
    found by their events only. Those that flows have written (data/files) are named where it stands
    in them.

    \b
    flowbridge erase ann@example.com --dry-run
    flowbridge erase ann@example.com --source contact --field email
    flowbridge erase - --anywhere --yes < subject.txt
    """
    from bridge.cli.actions.run import start_operation
    from bridge.core.fingerprints import receipt
    from bridge.store.inbound import blob_owners

    letters = _letters(subject)
    with wrong_usage():
        erasure.check_subject(letters, field, anywhere=anywhere)
    asked = OperationRequest.of(options | {"limit": 0})
    settings = settings_of(config, secrets=True)
    chosen = {"source": source, "field": field, "anywhere": anywhere or None}
    sources = load_sources(settings)
    wanted = erasure.read_subject(sources, settings, letters, field, anywhere=anywhere)
    with open_store_to_change(settings) as database:
        require_existing(settings, database, source=source)
        were = blob_owners.owned(database)
        search = erasure.search_records(database, sources, wanted, source)
        with progress_bar("search", search.total()) as advance:
            ids = search.found(advance)
        _print_started(database, ids, as_json=asked.as_json and asked.dry_run)
        told = {
            "names": [receipt(settings.secret_key, "", wanted.text)],
            "rate": asked.rate,
            "filters": {name: value for name, value in chosen.items() if value is not None},
        }
        with _cleaning_up(
            database, settings, sources, were, wanted.text, begun=not ids and not asked.dry_run
        ) as doing:
            start_operation(
                database,
                settings,
                "erase",
                ids,
                {},
                asked,
                {name: value for name, value in told.items() if value},
                doing,
            )


@contextmanager
def _cleaning_up(
    database: Database,
    settings: Settings,
    sources: Mapping[str, Source],
    were: Set[str],
    letters: str,
    *,
    begun: bool,
) -> Iterator[Callable[[Database, Act], Erasing]]:
    """Give what makes the act, and settle if that was done. `begun`: in any case; there is nothing
    to lose then, and nobody is asked.
    """

    from bridge.services.operation_kinds import erasing

    def doing(database: Database, act: Act) -> Erasing:
        nonlocal begun
        begun = True
        return erasing(sources)(database, act)

    try:
        yield doing
    finally:  # it exits by an exception where something could not be done
        if begun:
            clean_up(database, settings, were, letters)


def _letters(subject: str) -> str:
    text = sys.stdin.read(erasure.MAX_LENGTH + 1) if subject == "-" else subject
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise click.UsageError("the subject is no text in UTF-8")
    return text


def _print_started(database: Database, ids: Sequence[str], *, as_json: bool) -> None:
    listed = erasure.started_deliveries(database, ids)
    if as_json:
        for one in listed:
            output.json_line(erasure.started_delivery_json(one))
        return
    if listed:
        went_on = output.number(len(listed), "delivery", "deliveries")
        output.say(
            f"{went_on} went to flows; what these did with the data is theirs, and is not erased"
            " here:"
        )
    for one in listed[:MAX_LISTED]:
        output.say(f"  {_run(one)}")
    if len(listed) > MAX_LISTED:
        output.say(f"  and {len(listed) - MAX_LISTED} more: --dry-run --json lists all")


def _run(one: Delivery) -> str:
    return " ".join(
        filter(
            None,
            (
                one.event_id,
                one.flow,
                f"run {one.run_id}" if one.run_id else "(run unknown)",
                output.run_link(one),
            ),
        )
    )


def clean_up(database: Database, settings: Settings, were: Set[str], letters: str = "") -> None:
    """Have what was erased gone from the disk as well, as far as that is ours, and say what is not.
    `were`: the blobs owned before.
    """
    from bridge.store.inbound import deleted_ids
    from bridge.store.operations import erase as erase_operation

    if letters and (count := erase_operation.scrub_acts(database, letters)):
        output.say(
            f"it was taken out of what {count} earlier act{'s were' if count > 1 else ' was'} asked"
        )
    if letters and (count := deleted_ids.erase(database, letters)):
        output.say(
            f"it stood in {output.number(count, 'id')} of deleted events, which"
            f" {'are' if count > 1 else 'is'} a keyed hash now"
        )
    if database.is_sqlite:
        _clean_database_file(database, letters)
    else:
        output.say(
            "PostgreSQL keeps old rows until VACUUM, and in archives of its log and backups: those"
            " are the server's to clear"
        )
    _delete_blobs(database, settings, were)
    if letters:
        _print_flow_files(settings, letters)
    output.say("backups that were made before, and logs of proxies, hold it still")


def _clean_database_file(database: Database, letters: str) -> None:
    from bridge.store.operations import erase as erase_operation

    if not erase_operation.settle_file(database):
        output.say(
            "a reader is in the way of emptying the write-ahead log, which holds older pages: it is"
            " emptied by a later checkpoint"
        )
    if letters and (count := erase_operation.traces(database, letters)):
        times = output.number(count, "time")
        output.say(
            f"its letters stand in the database file {times} yet, in what was not to go, was"
            " refused, or in free space of pages; flowbridge db vacuum --anew writes the file"
            " without free space"
        )


def _print_flow_files(settings: Settings, letters: str) -> None:
    """Name the files that flows have written and that hold it: only the flow knows what a line of
    them is, so a person mends them.
    """
    files = erasure.find_flow_files(settings, letters)
    lists = (
        (
            "its letters stand yet in files that flows have written; take it out of them:",
            files.found,
        ),
        (
            "not searched, because it is too large or cannot be read, of the files of flows:",
            files.unread,
        ),
    )
    for what, names in lists:
        if names:
            paths = (str(files.folder / name) for name in names[:MAX_LISTED])
            output.say("\n  ".join([what, *paths]))
        if len(names) > MAX_LISTED:
            output.say(f"  and {len(names) - MAX_LISTED} more")


def _delete_blobs(database: Database, settings: Settings, were: Set[str]) -> None:
    """Delete the blobs that nobody owns any more; those that came just now are waited for, until it
    is sure that nobody else keeps them.
    """

    def say_wait(count: int) -> None:
        seconds = erasure.ERASED_BLOB_SECONDS
        output.say(
            f"{output.number(count, 'file')} came in the last {seconds:.0f} seconds: gone in a"
            " moment, once nobody can be sending the same"
        )

    blobs = erasure.delete_ownerless_blobs(database, settings, were, say_wait)
    if blobs is not None:
        later = f"; {blobs.later} by a worker, within a day or so" if blobs.later else ""
        output.say(f"{output.number(blobs.deleted, 'file')} went from the disk{later}")
