"""The clauses of a route as lines of a table."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.routing.explain.clause_tree import explain_clauses
from bridge.routing.matching.matcher import compile_match
from bridge.services.records.explanation_records import CLAUSE
from bridge.web.console.clause_lines import list_clauses

ROOTS: dict[str, Any] = {"body": {"label": "feature", "count": 7, "live": True}, "headers": {}}


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        ("body.label == 'bug'", [("body.label", None)]),
        ("body.live", [("body.live", True)]),
        (
            "body.live && (body.count > `5` || contains(body.label, 'bug'))",
            [
                ("body.live", True),
                ("(body.count > 5) || contains(body.label, 'bug')", True),
                ("body.count > 5", True),
                ("body.count", None),
                ("contains(body.label, 'bug')", False),
                ("body.label", None),
            ],
        ),
    ],
)
def test_a_condition_has_a_line_for_each_part_but_literals(
    condition: str, lines: list[tuple[str, bool | None]]
) -> None:
    clauses = explain_clauses(compile_match({"when": condition}).explain(ROOTS), ROOTS)
    first, *others = list_clauses([CLAUSE.write(one) for one in clauses])
    assert (first.name, first.test, first.depth) == ("when", condition, 0)
    assert [(one.name, one.ok) for one in others] == lines
