"""Names of sources and routes in the store."""

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
}
#: No index serves the name of a route, so a bounded search looks at this many deliveries at most.
ROUTE_BUDGET: Final = Budget(rows=1_000_000, seconds=0.3)


def has_records(database: Database, what: str, name: str) -> bool:
    """Return whether the store has rows of the source or route (`what`) of that name."""
    with database.read() as connection:
        return connection.execute(_RECORDS_OF[what], {"name": name}).scalar() is not None


def may_have_records(
    database: Database, what: str, name: str, budget: Budget = ROUTE_BUDGET
) -> bool:
    """Return whether the store has such rows; also true where a bounded search found none."""
    if what == "source":
        return has_records(database, what, name)
    walk = delivery_walk(database, Filters(route=name), select(delivery.c.seq))
    page = read_page(database, walk, 1, budget=budget)
    return bool(page.rows) or page.before is not None
