"""Invariants of the rows of the store: `flowbridge db check` reports each row that violates one.

A violation is a bug, or a change made to the database by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

MAX_NAMED_IDS: Final = 3  # ids that a message names


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule for the rows of the store.

    `violations`: FROM and WHERE of a query for the rows that violate it; `row_id`: the column that
    identifies such a row; `remedy`: the next step.
    """

    name: str
    violations: str
    row_id: str = "x.id"
    remedy: str = "report this bug with the output of flowbridge show"


_RUN_ENDED = "x.state IN ('DONE', 'FAILED', 'TERMINATED')"
_NO_SUCH = "NOT EXISTS (SELECT 1 FROM {table} y WHERE y.{key} = x.{of})"


def _orphans(
    name: str,
    table: str,
    of: str,
    owner: str,
    key: str = "id",
    row_id: str = "x.id",
    also: str = "",
) -> Invariant:
    return Invariant(
        name,
        f"{table} x WHERE {_NO_SUCH.format(table=owner, key=key, of=of)}{also}",
        row_id,
        "rows were lost: restore a backup into an empty folder and compare",
    )


_FREE_SLOT = (
    "the platform has fewer free slots than it should: run flowbridge retry or cancel on them"
)
INVARIANTS: Final = (
    _orphans("deliveries without an event", "delivery", "event_id", "event"),
    _orphans(
        "attempts without a delivery", "attempt", "delivery_id", "delivery", row_id="x.delivery_id"
    ),
    _orphans("operation items without an operation", "act_item", "act", "act", "seq", "x.item_id"),
    _orphans(
        "files without a run",
        "local_file",
        "run_id",
        "local_run",
        row_id="x.name",
        also=" AND x.run_id <> ''",
    ),
    Invariant(
        "deliveries that hold a lease but are not being sent",
        "delivery x WHERE x.lease IS NOT NULL AND x.status <> 'sending'",
    ),
    Invariant(
        "deliveries that are being sent without a lease",
        "delivery x WHERE x.status = 'sending' AND x.lease IS NULL",
    ),
    Invariant(
        "deliveries that hold a platform slot but are neither sending nor delivered",
        "delivery x WHERE x.slot AND x.status NOT IN ('sending', 'delivered')",
        remedy=_FREE_SLOT,
    ),
    Invariant(
        "deliveries that hold a platform slot after their run ended",
        "delivery x WHERE x.slot AND x.status = 'delivered' AND x.poll_at IS NULL",
        remedy=_FREE_SLOT,
    ),
    Invariant(
        "deliveries that are due for polling but have no run to poll",
        "delivery x WHERE x.poll_at IS NOT NULL AND x.status NOT IN ('delivered', 'unknown')",
    ),
    Invariant(
        "dead deliveries without a reason",
        "delivery x WHERE x.status = 'dead' AND (x.reason IS NULL OR x.dead_kind IS NULL)",
    ),
    Invariant(
        "attempts without an outcome whose delivery is not being sent",
        "attempt x JOIN delivery d ON d.id = x.delivery_id WHERE x.outcome IS NULL AND d.status <>"
        " 'sending'",
        "x.delivery_id",
    ),
    Invariant(
        "blocked deliveries with no delivery at the head of their ordering key",
        "delivery x WHERE x.status = 'blocked' AND NOT EXISTS (SELECT 1 FROM delivery y WHERE"
        " y.holds_key AND y.route = x.route AND y.order_key = x.order_key)",
        remedy="a worker repairs this within a minute: check that one is running",
    ),
    Invariant(
        "deliveries that hold an ordering key they should have released",
        "delivery x WHERE x.holds_key AND (x.status IN ('cancelled', 'shadow') OR (x.status ="
        " 'dead' AND NOT x.order_blocks))",
    ),
    Invariant(
        "deliveries with a debounce deadline that are not queued",
        "delivery x WHERE x.debounce_until IS NOT NULL AND x.status <> 'queued'",
    ),
    Invariant(
        "local runs that ended but hold a lease",
        f"local_run x WHERE x.lease IS NOT NULL AND {_RUN_ENDED}",
    ),
    Invariant(
        "local runs that ended but have no end time",
        f"local_run x WHERE x.finished_at IS NULL AND {_RUN_ENDED}",
    ),
    Invariant(
        "operations that processed more items than they selected",
        "act x WHERE x.done + x.refused > x.chosen",
    ),
)


def find_violations(connection: Connection) -> list[str]:
    """Return a message for each violated invariant: the count, some ids, and the next step."""
    messages = []
    for each in INVARIANTS:
        ids = (
            connection.execute(
                text(f"SELECT {each.row_id} FROM {each.violations} LIMIT {MAX_NAMED_IDS}")  # noqa: S608 - names of our own tables and columns
            )
            .scalars()
            .all()
        )
        if ids:
            count = connection.execute(text(f"SELECT count(*) FROM {each.violations}")).scalar_one()  # noqa: S608 - names of our own tables and columns
            named = ", ".join(map(str, ids)) + (", …" if count > len(ids) else "")
            messages.append(f"{count} {each.name} ({named}): {each.remedy}")
    return messages
