"""Removes erased data from the disk too, and lists where it may still be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.cli.ui import output
from bridge.services import erasure

if TYPE_CHECKING:
    from collections.abc import Set

    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

MAX_LISTED = 20  # files


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
