"""Names of sources, routes and platforms in the store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, text

from bridge.store.db.database import Database
from bridge.store.db.row_walk import Budget, read_page
from bridge.store.queries.events import delivery_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.schema import delivery

_RECORDS_OF: Final = {
    "source": text(
        "SELECT 1 FROM event WHERE source = :name UNION ALL SELECT 1 FROM reject WHERE source ="
        " :name LIMIT 1"
    ),
    "route": text("SELECT 1 FROM delivery WHERE route = :name LIMIT 1"),
    "platform": text("SELECT 1 FROM delivery WHERE platform = :name LIMIT 1"),
}
#: No index serves the names in deliveries, so a bounded search looks at this many rows at most.
DELIVERY_BUDGET: Final = Budget(rows=1_000_000, seconds=0.3)


def has_records(database: Database, what: str, name: str) -> bool:
    """Return whether the store has rows of the source, route or platform (`what`) of that name."""
    with database.read() as connection:
        return connection.execute(_RECORDS_OF[what], {"name": name}).scalar() is not None


def may_have_records(
    database: Database, what: str, name: str, budget: Budget = DELIVERY_BUDGET
) -> bool:
    """Return whether the store has such rows; also true where a bounded search found none."""
    if what == "source":
        return has_records(database, what, name)
    is_named = delivery.c[what] == name
    walk = delivery_walk(database, Filters(), select(delivery.c.seq), also=is_named)
    page = read_page(database, walk, 1, budget=budget)
    return bool(page.rows) or page.before is not None
