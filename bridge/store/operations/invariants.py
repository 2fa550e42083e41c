"""What must hold of the rows of the store, whatever has happened to it. What does not is a bug, or
somebody wrote to it by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

SHOWN: Final = 3  # ids that are named


@dataclass(frozen=True, slots=True)
class Invariant:
    """`broken`: a query for what breaks it, as FROM and WHERE; `named`: what names a row of it;
    `then`: what to do about it.
    """

    name: str
    broken: str
    named: str = "x.id"
    then: str = "tell the developers, with the output of flowbridge show"


_OVER = "x.state IN ('DONE', 'FAILED', 'TERMINATED')"
_NO_SUCH = "NOT EXISTS (SELECT 1 FROM {table} y WHERE y.{key} = x.{of})"


def _orphans(
    name: str, table: str, of: str, owner: str, key: str = "id", named: str = "x.id", also: str = ""
) -> Invariant:
    return Invariant(
        name,
        f"{table} x WHERE {_NO_SUCH.format(table=owner, key=key, of=of)}{also}",
        named,
        "rows were lost: restore a backup into a scratch folder, and compare",
    )


INVARIANTS: Final = (
    _orphans("deliveries without an event", "delivery", "event_id", "event"),
    _orphans(
        "attempts without a delivery", "attempt", "delivery_id", "delivery", named="x.delivery_id"
    ),
    _orphans("lines of acts without an act", "act_item", "act", "act", "seq", "x.item_id"),
    _orphans(
        "files without their run",
        "local_file",
        "run_id",
        "local_run",
        named="x.name",
        also=" AND x.run_id <> ''",
    ),
    Invariant(
        "deliveries that nobody is calling for and that hold a lease",
        "delivery x WHERE x.lease IS NOT NULL AND x.status <> 'sending'",
    ),
    Invariant(
        "deliveries that are being sent, and no worker holds them",
        "delivery x WHERE x.status = 'sending' AND x.lease IS NULL",
    ),
    Invariant(
        "deliveries that are over and hold a slot of their platform",
        "delivery x WHERE x.slot AND x.status NOT IN ('sending', 'delivered')",
        then="the platform has fewer slots than it should: flowbridge retry or cancel them",
    ),
    Invariant(
        "deliveries whose run is over and hold a slot of their platform",
        "delivery x WHERE x.slot AND x.status = 'delivered' AND x.poll_at IS NULL",
        then="the platform has fewer slots than it should: flowbridge retry or cancel them",
    ),
    Invariant(
        "deliveries that nobody follows and are to be looked at",
        "delivery x WHERE x.poll_at IS NOT NULL AND x.status NOT IN ('delivered', 'unknown')",
    ),
    Invariant(
        "dead deliveries without a reason",
        "delivery x WHERE x.status = 'dead' AND (x.reason IS NULL OR x.dead_kind IS NULL)",
    ),
    Invariant(
        "attempts without an outcome of deliveries that are not being sent",
        "attempt x JOIN delivery d ON d.id = x.delivery_id WHERE x.outcome IS NULL AND d.status <>"
        " 'sending'",
        "x.delivery_id",
    ),
    Invariant(
        "deliveries that wait in a line that has no head",
        "delivery x WHERE x.status = 'blocked' AND NOT EXISTS (SELECT 1 FROM delivery y WHERE"
        " y.holds_key AND y.route = x.route AND y.order_key = x.order_key)",
        then="a worker mends it within a minute: is one running?",
    ),
    Invariant(
        "deliveries at the head of a line that let the next go and have not",
        "delivery x WHERE x.holds_key AND (x.status IN ('cancelled', 'shadow') OR (x.status ="
        " 'dead' AND NOT x.order_blocks))",
    ),
    Invariant(
        "deliveries that wait to be merged and are over",
        "delivery x WHERE x.debounce_until IS NOT NULL AND x.status <> 'queued'",
    ),
    Invariant(
        "local runs that are over and leased", f"local_run x WHERE x.lease IS NOT NULL AND {_OVER}"
    ),
    Invariant(
        "local runs that are over without an end",
        f"local_run x WHERE x.finished_at IS NULL AND {_OVER}",
    ),
    Invariant(
        "acts that have done more than was chosen", "act x WHERE x.done + x.refused > x.chosen"
    ),
)


def broken(connection: Connection) -> list[str]:
    """Return what does not hold: how many, some that are named, and what to do."""
    found = []
    for each in INVARIANTS:
        named = (
            connection.execute(text(f"SELECT {each.named} FROM {each.broken} LIMIT {SHOWN}"))  # noqa: S608 - names of our own tables and columns
            .scalars()
            .all()
        )
        if named:
            count = connection.execute(text(f"SELECT count(*) FROM {each.broken}")).scalar_one()  # noqa: S608 - names of our own tables and columns
            some = ", ".join(map(str, named)) + (", …" if count > len(named) else "")
            found.append(f"{count} {each.name} ({some}): {each.then}")
    return found
