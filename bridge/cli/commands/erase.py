"""erase: delete a person's data from the store."""

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
    from bridge.core.operations import Operation
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.operations.erase import EraseHandler

MAX_LISTED = 20  # runs, and files


@click.command()
@click.argument("subject")
@click.option("--source", metavar="NAME", help="Only events of this source, and their deliveries.")
@click.option(
    "--field",
    metavar="PATH",
    help="Only in fields whose path ends with PATH: email, customer.email.",
)
@click.option(
    "--anywhere",
    is_flag=True,
    help="Also as a part of any text, in headers and logs too (default: the whole of a field).",
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
    """Delete a person's data. SUBJECT is the value of a field, such as an e-mail address; upper and
    lower case are the same. - reads it from stdin.

    Events that contain it are deleted with their deliveries, inputs, outputs, runs and files; so
    are rejects. Deliveries in progress are refused, to be erased later. Deliveries that went to
    flows are listed: flowbridge cannot delete what the flows did with the data.

    Earlier backups still contain the data. Files that flows have written (data/files) are listed
    where they contain it.

    \b
    flowbridge erase ann@example.com --dry-run
    flowbridge erase ann@example.com --source contact --field email
    flowbridge erase - --anywhere --yes < subject.txt
    """
    from bridge.cli.actions.run import start_operation
    from bridge.core.fingerprints import fingerprint
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
        owned_before = blob_owners.owned_digests(database)
        search = erasure.search_records(database, sources, wanted, source)
        with progress_bar("search", search.total()) as advance:
            ids = search.found(advance)
        _print_started(database, ids, as_json=asked.as_json and asked.dry_run)
        request = {
            "names": [fingerprint(settings.secret_key, "", wanted.text)],
            "rate": asked.rate,
            "filters": {name: value for name, value in chosen.items() if value is not None},
        }
        with _cleaning_up(
            database,
            settings,
            sources,
            owned_before,
            wanted.text,
            begun=not ids and not asked.dry_run,
        ) as doing:
            start_operation(
                database,
                settings,
                "erase",
                ids,
                {},
                asked,
                {name: value for name, value in request.items() if value},
                doing,
            )


@contextmanager
def _cleaning_up(
    database: Database,
    settings: Settings,
    sources: Mapping[str, Source],
    owned_before: Set[str],
    letters: str,
    *,
    begun: bool,
) -> Iterator[Callable[[Database, Operation], EraseHandler]]:
    """Yield the handler of the operation, and clean up afterwards if the operation began.

    `begun`: clean up in any case, since there are no records to confirm.
    """
    from bridge.services.operation_kinds import make_erase_handler

    def doing(database: Database, act: Operation) -> EraseHandler:
        nonlocal begun
        begun = True
        return make_erase_handler(sources)(database, act)

    try:
        yield doing
    finally:  # the operation exits by an exception where an item was refused
        if begun:
            clean_up(database, settings, owned_before, letters)


def _letters(subject: str) -> str:
    text = sys.stdin.read(erasure.MAX_LENGTH + 1) if subject == "-" else subject
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise click.UsageError("the subject is not valid UTF-8")
    return text


def _print_started(database: Database, ids: Sequence[str], *, as_json: bool) -> None:
    listed = erasure.started_deliveries(database, ids)
    if as_json:
        for one in listed:
            output.json_line(erasure.started_delivery_json(one))
        return
    if listed:
        went_on = output.number(len(listed), "delivery", "deliveries")
        output.say(f"{went_on} went to flows; what the flows did with the data is not erased here:")
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
                one.run_url,
            ),
        )
    )


def clean_up(
    database: Database, settings: Settings, owned_before: Set[str], letters: str = ""
) -> None:
    """Remove the erased data from the disk too, and print where it may still be.

    `owned_before`: the blobs that records owned before.
    """
    from bridge.store import audit
    from bridge.store.inbound import deleted_ids
    from bridge.store.operations import erase as erase_operation

    if letters and (count := erase_operation.scrub_operations(database, letters)):
        output.say(
            f"it was removed from the requests of {output.number(count, 'earlier operation')}"
        )
    if letters and (count := audit.scrub(database, letters)):
        entries = output.number(count, "entry", "entries")
        output.say(f"it was removed from {entries} of the audit log")
    if letters and (count := deleted_ids.erase(database, letters)):
        output.say(
            f"it was in {output.number(count, 'id')} of deleted events, which"
            f" {'are' if count > 1 else 'is'} a keyed hash now"
        )
    if database.is_sqlite:
        _clean_database_file(database, letters)
    else:
        output.say(
            "PostgreSQL keeps old rows until VACUUM, and in its WAL archives and backups: clear"
            " those on the server"
        )
    _delete_blobs(database, settings, owned_before)
    if letters:
        _print_flow_files(settings, letters)
    output.say("earlier backups, and logs of proxies, still contain it")


def _clean_database_file(database: Database, letters: str) -> None:
    from bridge.store.operations import erase as erase_operation
    from bridge.store.operations import traces

    if not erase_operation.truncate_wal(database):
        output.say(
            "a reader blocks the write-ahead log, which still has older pages: a later checkpoint"
            " empties it"
        )
    if letters and (count := traces.count_traces(database, letters)):
        times = output.number(count, "time")
        output.say(
            f"the database file still contains it {times}: in records that stay, were refused, or"
            " in free space of pages; `flowbridge db vacuum --rewrite` writes the file without free"
            " space"
        )


def _print_flow_files(settings: Settings, letters: str) -> None:
    """List the files that flows have written and that contain it. A person must edit them: only
    the flow knows their format.
    """
    files = erasure.find_flow_files(settings, letters)
    lists = (
        (
            "files that flows have written still contain it; remove it from them:",
            files.found,
        ),
        (
            "files of flows that were not searched, because they are too large or unreadable:",
            files.unread,
        ),
    )
    for what, names in lists:
        if names:
            paths = (str(files.folder / name) for name in names[:MAX_LISTED])
            output.say("\n  ".join([what, *paths]))
        if len(names) > MAX_LISTED:
            output.say(f"  and {len(names) - MAX_LISTED} more")


def _delete_blobs(database: Database, settings: Settings, owned_before: Set[str]) -> None:
    """Delete the blobs that no record owns any more, and print how many."""

    def say_wait(count: int) -> None:
        seconds = erasure.ERASED_BLOB_SECONDS
        output.say(
            f"{output.number(count, 'file')} arrived in the last {seconds:.0f} seconds and will be"
            " deleted once no other request can contain the same bytes"
        )

    blobs = erasure.delete_ownerless_blobs(database, settings, owned_before, say_wait)
    if blobs is not None:
        later = f"; a worker deletes {blobs.later} more within a day or so" if blobs.later else ""
        output.say(f"{output.number(blobs.deleted, 'file')} deleted from the disk{later}")
