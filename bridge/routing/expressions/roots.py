"""Checks of an expression tree: its roots, its depth and the size of its result. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.core.errors import CompileError
from bridge.core.typos import suggest

Node = dict[str, Any]

ROOTS = ("body", "headers", "query", "form", "fields", "files", "event")
MAX_DEPTH = 200  # of the tree
MAX_COPIES = 1000  # of the same part of the event in one result

_FIRST_ONLY = frozenset(
    {
        "subexpression",
        "index_expression",
        "pipe",
        "projection",
        "value_projection",
        "filter_projection",
    }
)
_LITERAL_WORDS = {"true": "`true`", "false": "`false`", "null": "`null`"}


def check_depth(tree: Node) -> None:
    """Raise CompileError if the tree is too deep for recursive evaluation."""
    level = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise CompileError(f"an expression that nests more than {MAX_DEPTH} deep")
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]


def iterate_nodes(node: Node, absolute: bool = True) -> Iterator[tuple[Node, bool]]:
    """Yield each node, and whether its current node is the whole event.

    Else it is an element or an earlier result.
    """
    yield node, absolute
    for index, child in enumerate(node["children"]):
        if isinstance(child, dict):
            relative = node["type"] == "expref" or (node["type"] in _FIRST_ONLY and index > 0)
            yield from iterate_nodes(child, absolute and not relative)


def check_roots(tree: Node) -> bool:
    """Raise CompileError if a path does not begin with a root.

    Returns whether the whole event (`@`) is used as a value.
    """
    whole = False
    for node, absolute in iterate_nodes(tree):
        if node["type"] == "comparator":
            for child in node["children"]:
                if child["type"] == "field" and child["value"] in _LITERAL_WORDS:
                    raise CompileError(
                        f"`{child['value']}` here is the name of a field; the value needs"
                        f" backticks: {_LITERAL_WORDS[child['value']]}"
                    )
        if absolute and node["type"] == "subexpression":
            _check_header(node["children"])
        if absolute and node["type"] == "field" and node["value"] not in ROOTS:
            raise CompileError(_describe_unknown_root(node["value"]))
        whole = whole or (absolute and node["type"] in ("current", "identity"))
    return whole


def _check_header(steps: list[Node]) -> None:
    name = (
        steps[1].get("value")
        if steps[0].get("value") == "headers" and steps[1]["type"] == "field"
        else None
    )
    if isinstance(name, str) and name != name.lower():
        raise CompileError(f'the names of headers are lower-case here: headers."{name.lower()}"')


def _describe_unknown_root(name: str) -> str:
    if name in _LITERAL_WORDS:
        return f"`{name}` is not a root; the value needs backticks: {_LITERAL_WORDS[name]}"
    return (
        f"`{name}` is not a root; {suggest(name, ROOTS)}allowed: {', '.join(ROOTS)} (a text needs"
        f" single quotes: '{name}')"
    )


def count_copies(node: Node) -> int:
    """Return an upper bound of the copies of the same input part in the value."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    kind = node["type"]
    if kind in ("comparator", "not_expression", "literal"):
        return 1
    if kind == "filter_projection":
        return count_copies(children[0]) * count_copies(children[1])
    if kind in ("or_expression", "and_expression"):
        return max(map(count_copies, children))
    if kind in ("multi_select_list", "multi_select_dict"):
        return sum(map(count_copies, children))
    if kind == "function_expression":
        applied = 1
        passed = 0
        for child in children:
            if child["type"] == "expref":
                applied *= count_copies(child)
            else:
                passed += count_copies(child)
        return applied * max(passed, 1)
    product = 1
    for child in children:
        product *= count_copies(child)
    return product
