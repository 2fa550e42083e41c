"""PostgreSQL's statement for new events and their deliveries: one for any number of them.

Its parameters are the events as JSON, their bodies, and the deliveries as JSON: three values cost
the driver and the server a fraction of what those of each row would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Table

from bridge.store.tables import schema

#: `given` may contain an event only once. An event is `fresh` unless it is stored, or was and is
#: deleted. `seq` follows the order of `given`, but the rows are inserted in the order of their ids:
#: a transaction that inserts an event waits for another that has inserted the same one, so two with
#: the same events in any order do not deadlock. COLLATE "C" is the order of Python's strings.
_STATEMENT = """
WITH given AS (
    SELECT * FROM ROWS FROM (
        json_to_recordset(%s::json) AS ({typed_events}, since double precision, erased_id text),
        unnest(%b::bytea[])
    ) WITH ORDINALITY AS given({events}, since, erased_id, body, place)
), fresh AS (
    SELECT nextval((SELECT pg_get_serial_sequence('event', 'seq')::regclass)) AS seq,
        {events}, body, coalesce(
        lag(id) OVER (PARTITION BY source, body_sha256 ORDER BY place),
        (SELECT same.id FROM event AS same
         WHERE same.received_at > given.since
           AND same.seq = (SELECT max(earlier.seq) FROM event AS earlier
                           WHERE earlier.source = given.source
                             AND earlier.body_sha256 = given.body_sha256))
    ) AS same_body_as
    FROM given
    WHERE NOT EXISTS (SELECT FROM event AS known
                      WHERE known.source = given.source AND known.provider_id = given.provider_id)
      AND NOT EXISTS (SELECT FROM deleted_id AS gone
                      WHERE gone.source = given.source
                        AND gone.provider_id IN (given.provider_id, given.erased_id)
                        AND gone.expires_at > given.received_at)
    ORDER BY place
), added AS (
    INSERT INTO event (seq, {events}, body, same_body_as)
    SELECT seq, {events}, body, same_body_as FROM fresh
    ORDER BY source COLLATE "C", provider_id COLLATE "C"
    ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING
    RETURNING id
), planned AS (
    INSERT INTO delivery ({deliveries})
    SELECT {planned_deliveries}
    FROM ROWS FROM (json_to_recordset(%s::json) AS ({typed_deliveries}))
        WITH ORDINALITY AS planned({deliveries}, place)
    JOIN added ON added.id = planned.event_id
    ORDER BY place
)
SELECT id FROM added
"""


def insert_arrivals(
    raw: Any,
    events: Sequence[Mapping[str, Any]],
    deliveries: Iterable[Mapping[str, Any]],
) -> set[str]:
    """Insert the events that are not stored yet, and their deliveries; return the ids of the new.

    `events` have the names `since` and `erased_id` as well; see `ArrivalRows`.
    """
    planned = list(deliveries)
    statement = _build_statement(
        tuple(name for name in events[0] if name not in ("body", "since", "erased_id")),
        tuple(planned[0]) if planned else ("event_id",),
    )
    values = [
        orjson.dumps([{**event, "body": None} for event in events]).decode(),
        [event["body"] for event in events],
        orjson.dumps(planned).decode(),
    ]
    return {row[0] for row in raw.execute(statement, values, prepare=True)}


@cache
def _build_statement(events: Sequence[str], deliveries: Sequence[str]) -> str:
    return _STATEMENT.format(
        events=", ".join(events),
        typed_events=_typed(schema.event, events),
        deliveries=", ".join(deliveries),
        planned_deliveries=", ".join(f"planned.{name}" for name in deliveries),
        typed_deliveries=_typed(schema.delivery, deliveries),
    )


def _typed(table: Table, names: Iterable[str]) -> str:
    """Return the columns with their types; FLOAT is double precision there."""
    return ", ".join(f"{name} {table.c[name].type}" for name in names)
