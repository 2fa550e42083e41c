"""Baselines: usual silence of sources, rejects per hour, and failed runs.

Each query is bounded, also with a million events.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, text

from bridge.core.rate_limits import Rate
from bridge.core.status import RunCounts
from bridge.ingest import silence
from bridge.store.queries.replaced_deliveries import is_replaced

WEEK_SECONDS: Final = 7 * 86400.0  # seconds
MIN_BASELINE_HOURS: Final = 1.0
MAX_DELIVERIES_READ: Final = 5_000  # newest deliveries read for ended runs

_FIRST = text("SELECT min(received_at) FROM event WHERE source = :source AND received_at >= :since")
_SOME = text(
    "SELECT count(*) FROM (SELECT 1 FROM event WHERE source = :source AND received_at >= :since"
    " LIMIT :most) AS found"
)
_ANY = text(
    "SELECT 1 FROM event WHERE source = :source AND received_at > :since AND received_at < :until"
    " LIMIT 1"
)
#: Walks from an event to the last one within a step after it, or else to the next one: at most two
#: rows a step, each by the index.
_MOMENTS = text("""
WITH RECURSIVE walk (at) AS (
    SELECT CAST(:first AS double precision)
    UNION ALL
    SELECT coalesce(
        (SELECT max(received_at) FROM event WHERE source = :source AND received_at > walk.at
            AND received_at <= walk.at + :step),
        (SELECT min(received_at) FROM event WHERE source = :source
            AND received_at > walk.at + :step))
    FROM walk WHERE walk.at IS NOT NULL
) SELECT at FROM walk WHERE at IS NOT NULL ORDER BY at
""")
_REJECTS = text("""
SELECT source, sum(CASE WHEN received_at >= :since THEN 1
    ELSE 0 END) AS lately, count(*) AS n, min(received_at) AS oldest
FROM reject WHERE readmitted_at IS NULL GROUP BY source
""")
_RUNS = text(f"""
WITH run AS (
    SELECT route, event_id, run_state, row_number() OVER (PARTITION BY route, run_state
        ORDER BY finished_at DESC, seq DESC) AS place,
        max(CASE WHEN run_state = 'done' THEN finished_at END)
            OVER (PARTITION BY route) AS done_at, finished_at
    FROM (SELECT seq, event_id, route, run_state, finished_at, created_at
        FROM delivery ORDER BY seq DESC LIMIT {MAX_DELIVERIES_READ}) AS newest
    WHERE finished_at >= :since AND run_state IN ('done', 'failed')
        AND (run_state = 'done' OR NOT {is_replaced("newest")})
)
SELECT route, count(*) AS ended, sum(CASE WHEN run_state = 'failed' THEN 1 ELSE 0 END) AS failed,
    sum(CASE WHEN run_state = 'failed' AND (done_at IS NULL OR finished_at > done_at) THEN 1
        ELSE 0 END) AS in_a_row,
    max(CASE WHEN run_state = 'failed' AND place = 1 THEN event_id END) AS event_id,
    min(CASE WHEN run_state = 'failed'
        THEN (SELECT received_at FROM event WHERE event.id = run.event_id) END) AS received_at
FROM run GROUP BY route
""")  # noqa: S608 - a number of ours


def expected_by(connection: Connection, source: str, last_at: float, now: float) -> float | None:
    """Return by when a source usually sends again after `last_at`; None if not late or unknown.

    A source that sent nothing at the same time a week ago is never late: this spares the check of a
    thousand sources at night.
    """
    if now - last_at < silence.MIN_SILENCE_SECONDS:
        return None
    then = {"source": source, "since": last_at - WEEK_SECONDS, "until": now - WEEK_SECONDS}
    if connection.execute(_ANY, then).scalar() is None:
        return None
    first = connection.execute(
        _FIRST, {"source": source, "since": last_at - silence.HISTORY_SECONDS}
    ).scalar()
    moments = connection.execute(
        _MOMENTS, {"source": source, "first": first, "step": silence.MIN_GAP_SECONDS}
    ).scalars()
    return silence.expected_by(list(moments))


def count_recent(connection: Connection, source: str, expect: Rate, now: float) -> int:
    """Count the events of a source in the period of `expect`, up to its number."""
    parameters = {"source": source, "since": now - expect.per, "most": expect.count}
    return connection.execute(_SOME, parameters).scalar() or 0


def count_rejects(
    connection: Connection, now: float, lately: float
) -> dict[str, tuple[int, float]]:
    """Return by source the open rejects of the last `lately` seconds, and the usual number.

    The usual number is the average in that time, over the stored rejects before.
    """
    counts = {}
    for row in connection.execute(_REJECTS, {"since": now - lately}):
        periods = max((now - lately - row.oldest) / lately, MIN_BASELINE_HOURS)
        counts[row.source] = row.lately, (row.n - row.lately) / periods
    return counts


def runs_ended(connection: Connection, since: float) -> dict[str, RunCounts]:
    """Return by route the runs of the newest deliveries that ended since a time.

    A failed run does not count if its event was replayed since.
    """
    rows: Any = connection.execute(_RUNS, {"since": since})
    return {
        row.route: RunCounts(
            ended=row.ended,
            failed=row.failed,
            in_a_row=row.in_a_row,
            event_id=row.event_id,
            received_at=row.received_at,
        )
        for row in rows
    }
