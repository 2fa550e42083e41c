"""SQL condition of a delivery that another one replaces, since its event was planned again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import exists

from bridge.store.tables.schema import delivery

_later = delivery.alias("later")
#: Whether a delivery was replayed since. Not by `planned_again`, which processes of an earlier
#: version do not set: people replay what has not been replayed.
IS_REPLACED: Final = exists().where(
    _later.c.event_id == delivery.c.event_id,
    _later.c.route == delivery.c.route,
    _later.c.seq > delivery.c.seq,
    # not planned with it: a route can have several flows
    _later.c.created_at != delivery.c.created_at,
)


def is_replaced(rows: str) -> str:
    """Return the SQL condition that a later delivery of the same event and route replaces a row.

    `rows`: the name of the delivery's rows in the statement; they have `seq`, `event_id`, `route`
    and `created_at`. A delivery that was planned at the same time is for another flow of the route.
    """
    # `+ 0`: else SQLite uses the index of events.
    return f"""EXISTS (
        SELECT 1 FROM delivery AS later WHERE later.planned_again
            AND later.event_id = {rows}.event_id AND later.route = {rows}.route
            AND later.seq + 0 > {rows}.seq AND later.created_at <> {rows}.created_at)"""  # noqa: S608 - names of ours
