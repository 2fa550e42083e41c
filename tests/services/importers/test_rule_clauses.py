"""Conditions of imported rules, written as `match`."""

from __future__ import annotations

import itertools

from bridge.routing.matching.matcher import compile_match
from bridge.services.importers.rule_clauses import (
    Condition,
    Leaf,
    both,
    either,
    neither,
    write_match,
)

A, B, C = (Leaf(f"body.{name}", {"contains": "x"}) for name in "abc")


def holds(condition: Condition, body: dict[str, str]) -> bool:
    """Return whether the written condition matches a body."""
    match = write_match(condition)
    return match is None or compile_match(match)({"body": body})


def test_several_that_do_not_hold_are_no_single_negation() -> None:
    for condition in (
        both([neither(A), neither(B), neither(C)]),
        both([neither(A), neither(either([B, C]))]),
    ):
        for a, b, c in itertools.product("xy", repeat=3):
            body = {"a": a, "b": b, "c": c}
            assert holds(condition, body) is ("x" not in (a, b, c)), body


def test_groups_of_one_kind_all_count() -> None:
    condition = both([either([A, B]), either([B, C]), neither(both([A, C]))])
    for a, b, c in itertools.product("xy", repeat=3):
        body = {"a": a, "b": b, "c": c}
        wanted = "x" in (a, b) and "x" in (b, c) and not (a == c == "x")
        assert holds(condition, body) is wanted, body
