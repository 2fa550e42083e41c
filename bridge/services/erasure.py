"""Erasure of a person's data: the records that hold it, and the rest of it on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.units import iso
from bridge.services.usable_config import body_reader

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Delivery
    from bridge.ingest.data_subjects import DataSubject
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.operations.search import Search

MIN_PART_LENGTH: Final = 3  # characters of a subject that is searched as a part of any text
MAX_LENGTH: Final = 1000  # characters of a subject
#: Blobs younger than this stay: what they belong to may not be stored yet.
NEW_BLOB_SECONDS: Final = 600.0
#: The same for blobs whose owner was stored and is erased: only another request with the same bytes
#: can bring them back.
ERASED_BLOB_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class DeletedBlobs:
    """The result of `delete_ownerless_blobs`: how many are deleted, and how many a worker deletes
    later.
    """

    deleted: int
    later: int


@dataclass(frozen=True, slots=True)
class FlowFiles:
    """Files in `folder` that flows have written: those that hold a text, and those not searched."""

    folder: Path
    found: Sequence[str]
    unread: Sequence[str]


def read_subject(
    sources: Mapping[str, Source],
    settings: Settings,
    text: str,
    field: str | None,
    *,
    anywhere: bool,
) -> DataSubject:
    """Return the subject of an erasure, with the fingerprints of it that sources with `redact`
    store. `field` and `anywhere` are those of `check_subject`.
    """
    from bridge.ingest.data_subjects import DataSubject
    from bridge.ingest.redaction import redaction_mark

    marks = [
        redaction_mark(settings.secret_key, name, text.strip())
        for name, source in sources.items()
        if source.redact is not None
    ]
    return DataSubject.of(text, field, anywhere=anywhere, marks=marks)


def check_subject(text: str, field: str | None, *, anywhere: bool) -> None:
    """Raise `InvalidRequest` where a subject is too short or too long, or `field` and `anywhere`
    are combined.
    """
    from bridge.ingest.data_subjects import DataSubject

    length = len(DataSubject.of(text, field, anywhere=anywhere).text)
    least = MIN_PART_LENGTH if anywhere else 1
    if not least <= length <= MAX_LENGTH:
        raise InvalidRequest(f"a subject has {least} to {MAX_LENGTH} letters, not {length}")
    if field and anywhere:
        raise InvalidRequest("--field and --anywhere do not go together")


def search_records(
    database: Database, sources: Mapping[str, Source], subject: DataSubject, source: str | None
) -> Search:
    """Return the search for the events, rejects and runs that hold a subject, of one source only
    where that is given.
    """
    from bridge.store.operations.search import Search

    return Search(database, subject, body_reader(sources), source)


def started_deliveries(database: Database, ids: Sequence[str]) -> list[Delivery]:
    """Return the deliveries of the events among `ids` that started a flow, or may have."""
    from bridge.store.operations import erase

    return list(
        erase.deliveries_with_runs(
            database, [event_id for event_id in ids if event_id.startswith("evt_")]
        )
    )


def started_delivery_json(delivery: Delivery) -> dict[str, JSON]:
    """Return a started delivery in the shape of `erase --dry-run --json`."""
    return {
        "event_id": delivery.event_id,
        "delivery_id": delivery.id,
        "platform": delivery.platform,
        "flow": delivery.flow,
        "run_id": delivery.run_id,
        "run_url": delivery.run_url,
        "delivered_at": iso(delivery.delivered_at),
    }


def delete_ownerless_blobs(
    database: Database,
    settings: Settings,
    owned_before: Set[str],
    on_wait: Callable[[int], object],
) -> DeletedBlobs | None:
    """Delete the blobs that no record owns any more; None where there is no folder of blobs.

    Waits until recent ones are old enough that no request with the same bytes can be in progress.
    `on_wait` gets how many those are.
    """
    from bridge.store.blobs import BlobStore
    from bridge.store.inbound import blob_owners

    blobs = BlobStore.of(settings)
    if not blobs.folder.exists():
        return None
    interval = settings.timings.erase_poll_seconds
    lost = {
        digest
        for digest in owned_before - blob_owners.owned_digests(database)
        if blobs.path(digest).exists()
    }
    until = time.time() + ERASED_BLOB_SECONDS + interval
    left = blobs.discard(lost, time.time() - ERASED_BLOB_SECONDS)
    if left:
        on_wait(len(left))
    while left and time.time() < until:
        time.sleep(interval)
        left = blobs.discard(
            left - blob_owners.owned_digests(database), time.time() - ERASED_BLOB_SECONDS
        )
    gone = sum(not blobs.path(digest).exists() for digest in lost)
    more, _ = blobs.sweep(
        lambda: blob_owners.owned_digests(database), time.time() - NEW_BLOB_SECONDS
    )
    return DeletedBlobs(gone + more, len(left))


def find_flow_files(settings: Settings, text: str) -> FlowFiles:
    """Return the files that flows have written and that hold a text. They are not changed: only the
    flow knows their format.
    """
    from bridge.store.operations import traces

    folder = settings.data / "files"
    matching, unread = traces.find_files(folder, text)
    return FlowFiles(folder, matching, unread)
