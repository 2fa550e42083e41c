"""The plans by which SQLite runs the statements of a test."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import event

from bridge.store.db.database import Database

PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


class PlanStep(NamedTuple):
    """A step of the plan of a statement."""

    statement: str
    step: str


def record_plans(sqlite: Database) -> list[PlanStep]:
    """Return a list that gets the steps of each statement which is executed from now on."""
    found: list[PlanStep] = []

    @event.listens_for(sqlite.engine, "before_cursor_execute")
    def explain(
        _connection: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool
    ) -> None:
        if statement.lstrip().startswith(PLANNED):
            first = values[0] if many else values
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", first)
            found.extend(PlanStep(statement, row[3]) for row in plan.fetchall())

    return found
