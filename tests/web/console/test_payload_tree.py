"""The tree of a payload: complete where it is small, and bounded whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.core.json_values import find_value
from bridge.web.console.payload_tree import (
    MAX_CHARS,
    MAX_DEPTH,
    MAX_NODES,
    MAX_PATH_CHARS,
    MAX_STRING_CHARS,
    TreePart,
    build_tree,
)


def outline(parts: Sequence[TreePart]) -> list[str]:
    """Write a tree on short lines, such as `action: "opened"`."""
    lines = []
    for one in parts:
        name = "" if one.name is None else f"{one.name}: "
        text = f"{one.text[0]}{one.count}" if one.part == "open" else one.text
        more = f"{one.count} more from {one.start} of {one.pointer!r}" if one.part == "more" else ""
        lines.append("close" if one.part == "close" else f"{name}{text}{more}")
    return lines


def test_a_small_payload_is_shown_whole() -> None:
    value = {"a": "x", "b": [1, None, {"c/d": True}], "e": {}, "f": []}
    assert outline(build_tree(value)) == [
        "{4",
        'a: "x"',
        "b: [3",
        "0: 1",
        "1: null",
        "2: {1",
        "c/d: true",
        "close",
        "close",
        "e: {}",
        "f: []",
        "close",
    ]
    paths = {one.name: one.path for one in build_tree(value)}
    assert (paths["a"], paths["c/d"]) == ("body.a", "body.b.2.c/d")


@pytest.mark.parametrize("value", ["text", 1, None, True, 1.5, {}, [], 10**400])
def test_a_payload_may_be_one_value(value: Any) -> None:
    assert [one.part for one in build_tree(value)] == ["leaf"]


def test_what_does_not_fit_is_counted_and_can_be_opened() -> None:
    value = {"items": list(range(5000)), "after": 1}
    parts = build_tree(value, max_nodes=10)
    assert outline(parts)[-4:] == [
        "4992 more from 8 of '/items'",
        "close",
        "1 more from 1 of ''",
        "close",
    ]
    rest = build_tree(find_value(value, "/items"), path="body.items", pointer="/items", start=4990)
    assert outline(rest)[:2] == ["[5000", "4990: 4990"]
    assert outline(build_tree(value, start=99)) == ["{2", "close"]


def nest(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {str(number): number for number in range(100_000)},
        ["x" * 1000] * 10_000,
        {"k" * 100_000: "v" * 5_000_000},
        nest(100_000),
    ],
    ids=["many", "long", "large", "deep"],
)
def test_a_tree_is_bounded(value: Any) -> None:
    parts = build_tree(value)
    shown = [one for one in parts if one.part in ("open", "leaf")]
    assert len(shown) <= MAX_NODES
    assert len(parts) <= 2 * MAX_NODES + 2 * MAX_DEPTH
    texts = sum(len(one.text) + len(one.name or "") for one in parts)
    assert texts <= MAX_CHARS + 2 * MAX_STRING_CHARS
    assert max(len(one.path) for one in parts) <= MAX_PATH_CHARS
    assert max(len(one.pointer) for one in parts) <= MAX_PATH_CHARS + 1
    assert sum(one.part == "open" for one in parts) == sum(one.part == "close" for one in parts)
