"""The clauses of a route as lines: the test and the value found, as texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.core.model import JSON
from bridge.routing.explain.clause_tree import GROUPS

MAX_INDENT: Final = 6  # levels of clauses
JUNCTIONS: Final = ("&&", "||", "!")  # whose parts are conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseLine:
    """A clause of a route, or a part of a `when`: the test and the value found, as texts.

    `ok` is null for a side of a comparison.
    """

    name: str
    test: str
    found: str
    ok: bool | None
    near: Sequence[str]
    problem: str | None
    depth: int


def list_clauses(clauses: Sequence[Mapping[str, Any]]) -> list[ClauseLine]:
    """Return the clauses of a route as lines, each with its depth, without recursion.

    A literal has no line: the condition around it has it.
    """
    lines = []
    left = [(clause, 0, False) for clause in reversed(clauses)]
    while left:
        node, depth, is_side = left.pop()
        parts = [part for part in node.get("parts", ()) if not part["is_literal"]]
        # the JSON of a `when` lacks its outermost operator
        has_sides = (
            len(parts) < len(node.get("parts", ()))
            if node["operator"] == "when"
            else node["operator"] not in JUNCTIONS
        )
        is_group = node["operator"] in (*GROUPS, "when")
        is_part = "text" in node
        lines.append(
            ClauseLine(
                name=node["text"] if is_part else node["path"] or node["operator"],
                test="" if is_part else _write_test(node),
                found="" if is_group else _as_text(node["found"]),
                ok=None if is_side and node["operator"] is None else node["ok"],
                near=[
                    value if isinstance(value, str) else _as_text(value) for value in node["near"]
                ],
                problem=node.get("problem"),
                depth=min(depth, MAX_INDENT),
            )
        )
        left += [(part, depth + 1, has_sides) for part in reversed(parts)]
        left += [(clause, depth + 1, False) for clause in reversed(node.get("clauses", ()))]
    return lines


def _write_test(clause: Mapping[str, Any]) -> str:
    operator = clause["operator"]
    if operator in GROUPS:
        return ""
    if operator == "when":
        return str(clause["expected"])
    return f"{operator} {_as_text(clause['expected'])}"


def _as_text(value: JSON) -> str:
    return orjson.dumps(value, default=str).decode()
