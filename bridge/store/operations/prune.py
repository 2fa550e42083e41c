"""Let go of what is old, by the retention of each source: little at a time, so that nobody waits
for it.

What is to go is found by readers, page by page; each batch is then looked at again and taken out in
a durable transaction of its own. What somebody still has to do something about stays, however old,
and so does all that anything has become of lately. A new kind of thing that gets old is a row of
`KINDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from bridge.core.retention import DEDUP_FOR, LEAST, Retention
from bridge.routing.model import Config
from bridge.store.db.database import Database, Work
from bridge.store.inbound import deleted_ids, removal
from bridge.store.inbound.removal import RECENT, RUNNING, UNFINISHED, Counts
from bridge.store.operations import prune_records

BATCH_EVENTS: Final = 50  # events of a batch
BATCH_BYTES: Final = 4 * 1024 * 1024  # or so much of what was in them
QUIET_SECONDS: Final = LEAST[
    "events"
]  # seconds that nothing may have become of an event's deliveries

_SOURCES = """
WITH RECURSIVE s(source) AS (
    SELECT (SELECT min(source) FROM {table})
    UNION ALL
    SELECT (SELECT min(source) FROM {table} WHERE source > s.source) FROM s
        WHERE s.source IS NOT NULL
)
SELECT source FROM s WHERE source IS NOT NULL
"""  # jumps from source to source in an index
_OLD = f"""
FROM event e WHERE e.source = :source AND e.received_at < :before AND e.received_at >= :after
AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event_id = e.id AND ({UNFINISHED} OR {RECENT}
    OR {RUNNING}))
"""  # noqa: S608 - names of our own tables and columns
_FULL = "AND (length(e.body) > 0 OR e.files IS NOT NULL)"
_PAGE = """
SELECT e.seq, e.id, e.received_at, length(e.body) AS size {old}
AND (e.received_at > :after OR e.seq > :seq) ORDER BY e.received_at, e.seq LIMIT :most
"""
_COUNT = "SELECT count(*) AS rows, coalesce(sum(length(e.body)), 0) AS bytes {old}"
_OLD_REJECTS = "FROM reject WHERE source = :source AND received_at < :before"


@dataclass(frozen=True, slots=True)
class PruneBatch:
    """What can be let go at once: of which source, null for what belongs to none, and the work that
    returns how many rows went.
    """

    source: str | None
    work: Work[Counts]


@dataclass(frozen=True, slots=True)
class Pruning:
    """One round: of which store, by which routes.yaml, as of when; of one source only where `only`
    names it.
    """

    database: Database
    config: Config
    now: float
    only: str | None = None

    def of(self, source: str) -> Retention:
        """Return the retention of a source, whether routes.yaml has it (any more) or not."""
        known = self.config.sources.get(source)
        return self.config.retention if known is None else known.retention

    def dedup_for(self, source: str) -> float:
        """Return how many seconds the provider ids of a source are stored."""
        known = self.config.sources.get(source)
        return DEDUP_FOR if known is None else known.dedup_for

    def sources(self, table: str) -> list[str]:
        """Return the sources that have rows in a table."""
        if self.only is not None:
            return [self.only]
        with self.database.read() as connection:
            return list(connection.execute(text(_SOURCES.format(table=table))).scalars())


@dataclass(frozen=True, slots=True)
class PruneRule:
    """A kind of thing that gets old: how what is to go is found, and how it is counted (source ->
    rows and bytes), where that is told.
    """

    name: str
    find: Callable[[Pruning], Iterator[PruneBatch]]
    count: Callable[[Pruning], Iterator[tuple[str, int, int]]] = lambda _: iter(())


def prune(
    pruning: Pruning, write: Callable[[Work[Counts]], Counts | None]
) -> Iterator[tuple[str, str | None, Counts]]:
    """Let go of all that is old, and tell after each batch (kind, source, how many rows of each
    table went).

    `write` runs work in a durable transaction; where it returns null somebody else does this, and
    it ends.
    """
    for kind in PRUNE_RULES:
        for batch in kind.find(pruning):
            counts = write(batch.work)
            if counts is None:
                return
            if any(counts.values()):
                yield kind.name, batch.source, counts


def count(pruning: Pruning) -> list[dict[str, Any]]:
    """Return what is old, without letting it go: for each kind and source `kind source rows
    bytes`.
    """
    return [
        {"kind": kind.name, "source": source, "rows": rows, "bytes": size}
        for kind in PRUNE_RULES
        for source, rows, size in kind.count(pruning)
        if rows
    ]


# -- events, and what was in them


def _expired_span(pruning: Pruning, source: str, what: str) -> dict[str, Any] | None:
    """Between which times of receipt it is old; null where nothing is."""
    kept = pruning.of(source)
    gone = pruning.now - kept.events
    before = pruning.now - getattr(kept, what)
    if math.isinf(before):
        return None
    # before that the events go as a whole
    after = gone if what == "bodies" and not math.isinf(gone) else 0.0
    return {
        "source": source,
        "before": before,
        "after": after,
        "recent": pruning.now - QUIET_SECONDS,
    }


def _event_finder(
    what: str, also: str, work: Callable[[Pruning, Connection, Sequence[str]], Counts]
) -> Callable[[Pruning], Iterator[PruneBatch]]:
    page = text(_PAGE.format(old=_OLD + also))

    def find(pruning: Pruning) -> Iterator[PruneBatch]:
        for source in pruning.sources("event"):
            place = _expired_span(pruning, source, what)
            while place is not None and (
                rows := _page(pruning.database, page, {"seq": 0, "most": BATCH_EVENTS, **place})
            ):
                ids = [row.id for row in rows]
                free = partial(removal.free, recent=place["recent"])
                yield PruneBatch(
                    source,
                    lambda connection, ids=ids, free=free: work(  # type: ignore[misc]  # mypy infers no lambda with defaults
                        pruning, connection, free(connection, ids)
                    ),
                )
                place |= {"after": rows[-1].received_at, "seq": rows[-1].seq}

    return find


def _page(database: Database, query: Any, values: dict[str, Any]) -> list[Row[Any]]:
    with database.read() as connection:
        rows = list(connection.execute(query, values))
    size = 0
    for place, row in enumerate(rows):
        size += row.size
        if size > BATCH_BYTES and place:
            return rows[:place]
    return rows


def _event_counter(what: str, also: str) -> Callable[[Pruning], Iterator[tuple[str, int, int]]]:
    query = text(_COUNT.format(old=_OLD + also))

    def counted(pruning: Pruning) -> Iterator[tuple[str, int, int]]:
        for source in pruning.sources("event"):
            if (place := _expired_span(pruning, source, what)) is not None:
                with pruning.database.read() as connection:
                    row = connection.execute(query, place).one()
                yield source, row.rows, int(row.bytes)

    return counted


def _remove(pruning: Pruning, connection: Connection, ids: Sequence[str]) -> Counts:
    deleted_ids.store(connection, ids, pruning.dedup_for, pruning.now)
    return removal.remove(connection, ids) if ids else {}


def _empty(_pruning: Pruning, connection: Connection, ids: Sequence[str]) -> Counts:
    return {"body": removal.empty(connection, ids)}


# -- rejects


def _find_rejects(pruning: Pruning) -> Iterator[PruneBatch]:
    for source, rows, _ in _count_rejects(pruning):
        if rows:
            yield PruneBatch(
                source,
                lambda connection, source=source: _delete_rejects(connection, source, pruning),  # type: ignore[misc]  # mypy infers no lambda with defaults
            )


def _delete_rejects(connection: Connection, source: str, pruning: Pruning) -> Counts:
    return {
        "reject": (
            connection.execute(
                text(f"DELETE {_OLD_REJECTS}"), _old_rejects(pruning, source)
            ).rowcount
        )
    }


def _count_rejects(pruning: Pruning) -> Iterator[tuple[str, int, int]]:
    query = text(f"SELECT count(*) AS rows, coalesce(sum(length(body)), 0) AS bytes {_OLD_REJECTS}")
    for source in pruning.sources("reject"):
        with pruning.database.read() as connection:
            row = connection.execute(query, _old_rejects(pruning, source)).one()
        yield source, row.rows, int(row.bytes)


def _old_rejects(pruning: Pruning, source: str) -> dict[str, Any]:
    before = pruning.now - pruning.of(source).rejects
    return {"source": source, "before": 0.0 if math.isinf(before) else before}


# -- the others are no source's, or found by way of their deliveries


def _sourceless(find: prune_records.Finder) -> Callable[[Pruning], Iterator[PruneBatch]]:
    def found(pruning: Pruning) -> Iterator[PruneBatch]:
        works = (
            iter(())
            if pruning.only
            else find(pruning.database, pruning.config, pruning.now, pruning.of)
        )
        return (PruneBatch(None, work) for work in works)

    return found


PRUNE_RULES: Final = (
    PruneRule("events", _event_finder("events", "", _remove), _event_counter("events", "")),
    PruneRule("bodies", _event_finder("bodies", _FULL, _empty), _event_counter("bodies", _FULL)),
    PruneRule("rejects", _find_rejects, _count_rejects),
    PruneRule("runs", _sourceless(prune_records.expired_runs)),
    PruneRule("acts", _sourceless(prune_records.expired_operations)),
    PruneRule("configs", _sourceless(prune_records.unused_configs)),
    PruneRule("marks", _sourceless(prune_records.stale_state)),
    PruneRule(
        "ids", _sourceless(lambda database, _config, now, _of: deleted_ids.expired(database, now))
    ),
)
