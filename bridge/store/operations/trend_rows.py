"""Write trends: add the growth of counters to a minute, merge old minutes, delete older rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import orjson
from sqlalchemy import Connection, Table, TextClause, select, text

from bridge.core import trends
from bridge.core.trends import Series, TrendKind
from bridge.core.units import DAY
from bridge.store.db.database import Database, Work
from bridge.store.inbound.removal import Counts
from bridge.store.tables.schema import trend, trend_node

NO_NODE: Final = ""  # of numbers that are of the store, or of all machines
NODE_RETENTION_SECONDS: Final = 90 * DAY  # after which a node that counts nothing is forgotten
BATCH_STEPS: Final = 6  # steps of ten minutes that are merged in one transaction
BATCH_ROWS: Final = 1000  # rows deleted in one transaction

_ADD_NODE: Final = text(
    "INSERT INTO trend_node (node, at, counters) VALUES (:node, :at, :counters)"
    " ON CONFLICT (node) DO NOTHING"
)
_SET_NODE: Final = text("UPDATE trend_node SET at = :at, counters = :counters WHERE node = :node")
_SET: Final = text(
    "INSERT INTO trend (key, at, node, value) VALUES (:key, :at, :node, :value)"
    " ON CONFLICT (key, at, node) DO UPDATE SET value = excluded.value"
)
_OLD_STEPS: Final = text(f"""
SELECT DISTINCT at - at % {trends.MERGED_SECONDS} AS step FROM trend
WHERE at < :before AND (at % {trends.MERGED_SECONDS} <> 0 OR node <> '') ORDER BY step
""")  # noqa: S608 - a number of ours
_TAKE: Final = text(
    "DELETE FROM trend WHERE at >= :since AND at < :until RETURNING key, at, node, value"
)
_DELETE: Final = text(
    "DELETE FROM trend WHERE (key, at, node) IN"
    " (SELECT key, at, node FROM trend WHERE at < :before ORDER BY at LIMIT :most)"
)
_DELETE_NODES: Final = text("DELETE FROM trend_node WHERE at < :before")


def add_counts(connection: Connection, node: str, at: int, counters: Mapping[str, Series]) -> int:
    """Add how much the counters of a node have grown to the minute `at`; return the rows written.

    The counters are stored in the same transaction, so nothing is added twice or lost. Those of an
    unknown node count from now on.
    """
    stored = _write_counters(counters)
    query = select(trend_node).where(trend_node.c.node == node).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        connection.execute(_ADD_NODE, {"node": node, "at": at, "counters": stored})
        return 0
    before = _read_counters(row.counters)
    grown = {
        key: series
        for key, now in counters.items()
        if (series := trends.subtract(now, before.get(key, {})))
    }
    for key, series in grown.items():
        _merge(connection, key, at, node, series)
    if stored != row.counters:
        connection.execute(_SET_NODE, {"node": node, "at": at, "counters": stored})
    return len(grown)


def add_highest(connection: Connection, at: int, values: Mapping[str, Series]) -> int:
    """Store values of the whole store in the minute `at`; return the rows written."""
    for key, series in values.items():
        if series:
            _merge(connection, key, at, NO_NODE, series)
    return sum(bool(series) for series in values.values())


def find_old(database: Database, now: float) -> Iterator[Work[Counts]]:
    """Yield merges of the minutes that are older than a day, and deletions of older rows."""
    yield from _deletions(database, now)
    before = trends.step_of(now - trends.MINUTES_SECONDS, trends.MERGED_SECONDS)
    with database.read() as connection:
        steps = connection.execute(_OLD_STEPS, {"before": before}).scalars().all()
    for some in _batches(steps):
        yield partial(_merge_steps, steps=some)


def _batches(steps: Sequence[int]) -> Iterator[Sequence[int]]:
    for place in range(0, len(steps), BATCH_STEPS):
        yield steps[place : place + BATCH_STEPS]


def _deletions(database: Database, now: float) -> Iterator[Work[Counts]]:
    for table, statement, seconds in (
        (trend_node, _DELETE_NODES, NODE_RETENTION_SECONDS),
        (trend, _DELETE, trends.RETENTION_SECONDS),
    ):
        before = int(now - seconds)
        while _has_older(database, table, before):
            yield partial(_delete, str(table.name), statement, before)


def _has_older(database: Database, table: Table, before: int) -> bool:
    with database.read() as connection:
        rows = connection.execute(select(table.c.at).where(table.c.at < before).limit(1))
        return rows.first() is not None


def _delete(name: str, statement: TextClause, before: int, connection: Connection) -> Counts:
    values = {"before": before, "most": BATCH_ROWS}
    parameters = {key: value for key, value in values.items() if f":{key}" in statement.text}
    return {name: connection.execute(statement, parameters).rowcount}


def _merge_steps(connection: Connection, steps: Sequence[int]) -> Counts:
    """Merge the minutes and nodes of each step; return how many rows fewer there are."""
    fewer = 0
    for step in steps:
        # what another process has taken meanwhile is not returned
        taken = connection.execute(_TAKE, {"since": step, "until": step + trends.MERGED_SECONDS})
        by_key: dict[str, list[Series]] = defaultdict(list)
        for row in taken.all():
            by_key[row.key].append(trends.read_series(row.value))
            fewer += 1
        for key, some in by_key.items():
            merged = trends.combine(_kind(key), some)
            _merge(connection, key, step, NO_NODE, merged)
            fewer -= 1
    return {"trend": fewer}


def _merge(connection: Connection, key: str, at: int, node: str, series: Series) -> None:
    """Combine series with the stored ones of the same minute, and store them."""
    same = (trend.c.key == key) & (trend.c.at == at) & (trend.c.node == node)
    stored = connection.execute(select(trend.c.value).where(same).with_for_update()).scalar()
    kind = _kind(key)
    if stored is not None:
        series = trends.combine(kind, [trends.read_series(stored), series])
    value = trends.write_series(trends.limit_series(kind, series))
    connection.execute(_SET, {"key": key, "at": at, "node": node, "value": value})


def _kind(key: str) -> TrendKind:
    """Return the kind of a trend; one of a newer version is a count."""
    definition = trends.TRENDS.get(key)
    return TrendKind.COUNT if definition is None else definition.kind


def _write_counters(counters: Mapping[str, Series]) -> str:
    return orjson.dumps(
        {
            key: [[*labels, value] for labels, value in sorted(series.items())]
            for key, series in sorted(counters.items())
        }
    ).decode()


def _read_counters(stored: str) -> dict[str, Series]:
    return {
        key: {tuple(labels): value for *labels, value in series}
        for key, series in orjson.loads(stored).items()
    }
