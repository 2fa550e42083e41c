"""Events are read oldest first, by chunks, after a search from the newest on."""

from __future__ import annotations

from itertools import chain, islice

from records import make_event

from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES
from bridge.store.inbound import events
from bridge.store.queries.filters import Filters
from bridge.store.queries.oldest_events import read_oldest_first

COUNT = 2 * PAGE_BODIES + 7


def numbers(database: Database, filters: Filters, **asked: int | None) -> list[int]:
    start = {"before": None, "limit": 0} | asked
    chunks = read_oldest_first(database, filters, **start)
    return [int(str(one.provider_id)) for one in chain.from_iterable(chunks)]


def test_the_oldest_come_first(database: Database) -> None:
    for number in range(COUNT):
        source = "github" if number % 2 else "other"
        events.add(database, make_event(str(number), source=source), [], lambda *_: [])
    every = list(range(COUNT))
    assert numbers(database, Filters()) == every
    assert numbers(database, Filters(), limit=60) == every[-60:]
    assert numbers(database, Filters(source="github")) == every[1::2]
    assert numbers(database, Filters(source="none")) == []
    chunks = list(read_oldest_first(database, Filters(), before=None, limit=0))
    found = [len(chunk) for chunk in chunks if chunk]
    assert len(chunks[0]) == 0
    assert (max(found), sum(found)) == (PAGE_BODIES, COUNT)


def test_events_that_are_added_meanwhile_are_left_out(database: Database) -> None:
    events.add(database, make_event("1"), [], lambda *_: [])
    chunks = read_oldest_first(database, Filters(), before=None, limit=0)
    assert list(islice(chunks, 1)) == [()]
    events.add(database, make_event("2"), [], lambda *_: [])
    assert [one.provider_id for one in chain.from_iterable(chunks)] == ["1"]
