"""Conditions written as `match` mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.importers.rule_clauses import (
    Condition,
    Leaf,
    both,
    either,
    neither,
    write_match,
)
from bridge.routing.matching.matcher import compile_match

A = Leaf("body.a", {"gt": 1})
B = Leaf("body.b", {"gt": 1})
C = Leaf("when", "body.c == 1")


def holds(condition: Condition, body: dict[str, Any]) -> bool:
    match = write_match(condition)
    return match is None or compile_match(match)({"body": body})


@pytest.mark.parametrize("a", [0, 2])
@pytest.mark.parametrize("b", [0, 2])
@pytest.mark.parametrize("c", [0, 1])
def test_parts_of_one_kind_are_not_mixed(a: int, b: int, c: int) -> None:
    body = {"a": a, "b": b, "c": c}
    is_a, is_b, is_c = a > 1, b > 1, c == 1
    assert holds(both([neither(A), neither(B)]), body) is (not is_a and not is_b)
    assert holds(both([neither(A), neither(both([B, C]))]), body) is (
        not is_a and not (is_b and is_c)
    )
    assert holds(both([either([A, B]), either([B, C])]), body) is (
        (is_a or is_b) and (is_b or is_c)
    )
    assert holds(either([neither(A), both([B, neither(C)])]), body) is (
        not is_a or (is_b and not is_c)
    )


def test_tests_of_one_path_are_joined() -> None:
    assert write_match(both([A, Leaf("body.a", {"lt": 5})])) == {"body.a": {"gt": 1, "lt": 5}}
