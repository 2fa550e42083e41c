"""The clauses of a route as lines: the test and the value found, as texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bridge.core.model import JSON
from bridge.routing.explain.clause_tree import GROUPS

MAX_INDENT: Final = 6  # levels of clauses


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseLine:
    """A clause of a route, or a part of a `when`: the test and the value found, as texts.

    `ok` is null for a part that is a value.
    """

    name: str
    test: str
    found: str
    ok: bool | None
    near: Sequence[str]
    problem: str | None
    depth: int


def list_clauses(clauses: Sequence[Mapping[str, Any]]) -> list[ClauseLine]:
    """Return the clauses of a route as lines, each with its depth, without recursion."""
    lines = []
    left = [(one, 0) for one in reversed(clauses)]
    while left:
        one, depth = left.pop()
        inner = [*one.get("clauses", ()), *one.get("parts", ())]
        is_group = one["operator"] in (*GROUPS, "when")
        is_part = "text" in one
        lines.append(
            ClauseLine(
                name=one["text"] if is_part else one["path"] or one["operator"],
                test=""
                if is_group or is_part
                else f"{one['operator']} {_as_text(one['expected'])}",
                found="" if is_group else _as_text(one["found"]),
                ok=one["ok"],
                near=[each if isinstance(each, str) else _as_text(each) for each in one["near"]],
                problem=one.get("problem"),
                depth=min(depth, MAX_INDENT),
            )
        )
        left += [(each, depth + 1) for each in reversed(inner)]
    return lines


def _as_text(value: JSON) -> str:
    return orjson.dumps(value, default=str).decode()
