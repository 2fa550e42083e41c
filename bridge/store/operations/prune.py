"""Prune old rows by the retention of each source, in small batches that block no other writer.

Readers find the rows page by page; each batch is checked again and deleted in a durable transaction
of its own. Rows with pending work stay, however old, and so do rows that changed lately. To prune
another kind of row, add a row to `PRUNE_RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from bridge.core.fingerprints import EMPTY_SHA256
from bridge.core.retention import DEDUP_SECONDS, MIN_RETENTION_SECONDS, Retention
from bridge.routing.model import Config
from bridge.store.db.database import Database, Work
from bridge.store.inbound import deleted_ids, removal
from bridge.store.inbound.removal import HAS_OPEN_RUN, RECENT, UNFINISHED, Counts
from bridge.store.operations import prune_records, trend_rows

BATCH_EVENTS: Final = 50  # events of a batch
BATCH_BYTES: Final = 4 * 1024 * 1024  # or so many bytes of their bodies
QUIET_SECONDS: Final = MIN_RETENTION_SECONDS[
    "events"
]  # seconds without a change of an event's deliveries

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
    OR {HAS_OPEN_RUN}))
"""  # noqa: S608 - names of our own tables and columns
# an event without a body has contents in its deliveries only
_FULL = f"""
AND (length(e.body) > 0 OR e.files IS NOT NULL OR e.body_sha256 = '{EMPTY_SHA256}' AND EXISTS
    (SELECT 1 FROM delivery d WHERE d.event_id = e.id AND (d.inputs IS NOT NULL
        OR d.outputs IS NOT NULL OR d.log IS NOT NULL OR d.evidence IS NOT NULL)))
"""  # noqa: S608 - names of our own tables and columns
_PAGE = """
SELECT e.seq, e.id, e.received_at, length(e.body) AS size {old}
AND (e.received_at > :after OR e.seq > :seq) ORDER BY e.received_at, e.seq LIMIT :most
"""
_COUNT = "SELECT count(*) AS rows, coalesce(sum(length(e.body)), 0) AS bytes {old}"
_OLD_REJECTS = "FROM reject WHERE source = :source AND received_at < :before"


@dataclass(frozen=True, slots=True)
class PruneBatch:
    """Rows to delete at once: their source, null for none, and the work that deletes them."""

    source: str | None
    work: Work[Counts]


@dataclass(frozen=True, slots=True)
class Pruning:
    """One round of pruning: the store, the configuration and the time. `only`: one source."""

    database: Database
    config: Config
    now: float
    only: str | None = None

    def of(self, source: str) -> Retention:
        """Return the retention of a source, the global one if routes.yaml does not have it."""
        source_config = self.config.sources.get(source)
        return self.config.retention if source_config is None else source_config.retention

    def dedup_for(self, source: str) -> float:
        """Return how many seconds the provider ids of a source are stored."""
        source_config = self.config.sources.get(source)
        return DEDUP_SECONDS if source_config is None else source_config.dedup_for

    def sources(self, table: str) -> list[str]:
        """Return the sources that have rows in a table."""
        if self.only is not None:
            return [self.only]
        with self.database.read() as connection:
            return list(connection.execute(text(_SOURCES.format(table=table))).scalars())


@dataclass(frozen=True, slots=True)
class PruneRule:
    """A kind of row to prune: how to find old rows, and how to count them by source, if counted."""

    name: str
    find: Callable[[Pruning], Iterator[PruneBatch]]
    count: Callable[[Pruning], Iterator[tuple[str, int, int]]] = lambda _: iter(())


def prune(
    pruning: Pruning, write: Callable[[Work[Counts]], Counts | None]
) -> Iterator[tuple[str, str | None, Counts]]:
    """Delete all old rows, and yield (kind, source, deleted rows by table) after each batch.

    `write` runs work in a durable transaction; it returns null where another process prunes, which
    ends the round.
    """
    for rule in PRUNE_RULES:
        for batch in rule.find(pruning):
            counts = write(batch.work)
            if counts is None:
                return
            if any(counts.values()):
                yield rule.name, batch.source, counts


def count_expired(pruning: Pruning) -> list[dict[str, Any]]:
    """Count old rows without deleting them: `kind source rows bytes` for each kind and source."""
    return [
        {"kind": rule.name, "source": source, "rows": rows, "bytes": size}
        for rule in PRUNE_RULES
        for source, rows, size in rule.count(pruning)
        if rows
    ]


# -- events and their bodies


def _expired_span(pruning: Pruning, source: str, what: str) -> dict[str, Any] | None:
    """Return the times of receipt between which rows are old; null where none are."""
    kept = pruning.of(source)
    gone = pruning.now - kept.events
    before = pruning.now - getattr(kept, what)
    if math.isinf(before):
        return None
    # earlier events are deleted as a whole
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
                free = partial(removal.lock_deletable, recent=place["recent"])
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
    return {"body": removal.delete_contents(connection, ids)}


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


# -- rows without a source, or found through their deliveries


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
        "trends",
        _sourceless(lambda database, _config, now, _of: trend_rows.find_old(database, now)),
    ),
    PruneRule(
        "ids",
        _sourceless(lambda database, _config, now, _of: deleted_ids.delete_expired(database, now)),
    ),
)
