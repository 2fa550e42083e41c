"""Count the events that each source received today, in the same time however many these are.

Once a minute a worker counts what is new, and stores a row for each source. Who reads the numbers
adds the events since then. A day begins at 00:00 UTC, and each source has one row, for its newest
day. A count includes events that were deleted after they were counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from sqlalchemy import Connection, select, text

from bridge.core.rate_limits import day_of
from bridge.core.units import DAY, HOUR
from bridge.store.tables.schema import daily_events

MAX_COUNTED_TODAY: Final = 100_000  # events without a stored count that a reader counts
# After which no event of that time is added any more: a transaction may wait, and the clock of a
# node may be behind.
SETTLED_SECONDS: Final = 600.0

#: Jumps in `ix_event_age` from one source to the next: its cost is the number of sources.
_LAST: Final = text("""
WITH RECURSIVE known(source) AS (
    SELECT min(source) FROM event
    UNION ALL
    SELECT (SELECT min(source) FROM event WHERE source > known.source) FROM known
    WHERE known.source IS NOT NULL
)
SELECT source, (SELECT max(received_at) FROM event WHERE event.source = known.source) AS last_at
FROM known WHERE source IS NOT NULL
""")
_FIRST: Final = text(
    "SELECT min(received_at) FROM event WHERE source = :source AND received_at >= :since"
    " AND received_at < :until"
)
_COUNT: Final = text(
    "SELECT count(*) FROM event WHERE source = :source AND received_at >= :since"
    " AND received_at < :until"
)
_COUNT_BOUNDED: Final = text("""
SELECT count(*) FROM (SELECT 1 FROM event WHERE source = :source AND received_at >= :since
    LIMIT :most) AS today
""")
_STORE: Final = text(
    "INSERT INTO daily_events (source, day, events, counted_to)"
    " VALUES (:source, :day, :events, :counted_to) ON CONFLICT (source) DO UPDATE"
    " SET day = excluded.day, events = excluded.events, counted_to = excluded.counted_to"
)


@dataclass(frozen=True, slots=True)
class DailyCount:
    """How many `events` a source received on a day, before the time `counted_to`.

    `day`: in days since 1970.
    """

    source: str
    day: int
    events: int
    counted_to: float


def find_new_counts(connection: Connection, now: float) -> list[DailyCount]:
    """Return the counts that are to be stored, of the sources that received events since the last.

    A count goes on by an hour at most, so that no read takes long.
    """
    counts = []
    until = now - SETTLED_SECONDS
    for last_at, before in _read_counts(connection, now - now % DAY, now):
        if last_at < before.counted_to:
            continue
        span = {"source": before.source, "since": before.counted_to, "until": until}
        first = connection.execute(_FIRST, span).scalar()
        if first is None:
            continue
        end = min(until, first + HOUR)
        new = connection.execute(_COUNT, {**span, "until": end}).scalar_one()
        counts.append(replace(before, events=before.events + new, counted_to=end))
    return counts


def store_counts(connection: Connection, counts: Sequence[DailyCount]) -> int:
    """Store counts, each instead of the one before of its source, and return how many."""
    if counts:
        connection.execute(_STORE, [asdict(count) for count in counts])
    return len(counts)


def read_sources(
    connection: Connection, sources: set[str], midnight: float, now: float
) -> tuple[dict[str, tuple[float | None, int]], bool]:
    """Return the last event of each source and how many came today, and whether there are more.

    Only indexes are read. The sources that have events are among them, and those of `sources`.
    """
    totals: dict[str, tuple[float | None, int]] = dict.fromkeys(sources, (None, 0))
    left = MAX_COUNTED_TODAY
    is_cut = False
    for last_at, before in _read_counts(connection, midnight, now):
        new = 0
        if last_at >= before.counted_to:
            values = {"source": before.source, "since": before.counted_to, "most": left + 1}
            new = connection.execute(_COUNT_BOUNDED, values).scalar_one()
        totals[before.source] = last_at, before.events + min(new, left)
        is_cut = is_cut or new > left
        left = max(0, left - new)
    return totals, is_cut


def _read_counts(
    connection: Connection, midnight: float, now: float
) -> list[tuple[float, DailyCount]]:
    """Return the last event of each source, and the stored count of the day, or one of nothing.

    A count that a clock stored in the future counts as none.
    """
    day = day_of(midnight)
    query = select(daily_events).where(daily_events.c.day == day, daily_events.c.counted_to <= now)
    stored = {row.source: DailyCount(**row._mapping) for row in connection.execute(query)}
    return [
        (row.last_at, stored.get(row.source) or DailyCount(row.source, day, 0, midnight))
        for row in connection.execute(_LAST)
    ]
