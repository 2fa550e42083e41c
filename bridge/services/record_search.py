"""Search for a record by anything that a person may have: an id, a sender's id, text in a body."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bridge.core.errors import AmbiguousId, NotFound
from bridge.services.filter_values import MAX_EXCERPT_BYTES
from bridge.services.lists import NEWEST, ListPage, PageRequest, list_events
from bridge.store.inbound import rejects
from bridge.store.queries import event_lookup
from bridge.store.queries.filters import Filters
from bridge.system.ids import REJECT_PREFIX

if TYPE_CHECKING:
    from bridge.store.db.database import Database
    from bridge.store.db.row_walk import Budget


class FoundBy(StrEnum):
    """How a record was found."""

    ID = "id"
    PROVIDER_ID = "provider_id"  #: the sender's own id of the event
    BODY = "body"  #: text in the body


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that was found. `event_id` is null for a reject."""

    kind: str
    id: str
    event_id: str | None
    found_by: FoundBy


def search_records(
    database: Database,
    text: str,
    sources: Collection[str],
    request: PageRequest = NEWEST,
    *,
    in_bodies: bool = False,
    budget: Budget | None = None,
) -> ListPage[FoundRecord]:
    """Return the records that a text names: by id, by the sender's id, else by text in the body.

    `sources`: those whose senders' ids are searched. A page that continues another has only events
    with the text in the body. Bodies are searched with `in_bodies`, unless they are encrypted.
    Blanks around an id, as they are copied with it, do not count.
    """
    if request.before is None:
        id_ = text.strip()
        records = [*_by_id(database, id_), *_by_provider_id(database, id_, sources)]
        if records:
            return ListPage(records, None, None)
    if not in_bodies or database.sealer.on:
        return ListPage((), None, None)
    raw = text.encode("utf-8", "surrogateescape")[:MAX_EXCERPT_BYTES]
    page = list_events(database, Filters(body=raw)).read_page(request, budget)
    records = [FoundRecord("event", event.id, event.id, FoundBy.BODY) for event, _ in page.items]
    return ListPage(records, page.next, page.looked_until)


def _by_id(database: Database, text: str) -> Iterator[FoundRecord]:
    """Yield the records with this id, or whose id begins with it."""
    if text.startswith(REJECT_PREFIX):
        with suppress(NotFound):
            yield FoundRecord("reject", rejects.get(database, text).id, None, FoundBy.ID)
        return
    try:
        event_id, delivery_id = event_lookup.find(database, text, by_ending=False)
    except AmbiguousId as error:
        for id_ in error.ids:
            yield from _by_id(database, id_)
    except NotFound:
        return
    else:
        kind = "event" if delivery_id is None else "delivery"
        yield FoundRecord(kind, delivery_id or event_id, event_id, FoundBy.ID)


def _by_provider_id(
    database: Database, text: str, sources: Collection[str]
) -> Iterator[FoundRecord]:
    for id_ in event_lookup.find_by_provider_id(database, text, sources):
        yield FoundRecord("event", id_, id_, FoundBy.PROVIDER_ID)
