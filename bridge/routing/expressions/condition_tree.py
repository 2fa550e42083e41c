"""The parts of a condition as a tree, each with its value, to explain its result. Pure.

`parts` has the few parts that decided a result, for one line; this has all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.unparse import COMPARATORS, unparse
from bridge.routing.functions.values import is_true

MAX_PARTS: Final = 200  # of one condition
_JUNCTIONS: Final = {"and_expression": "&&", "or_expression": "||"}
_CHAINS: Final = frozenset({"subexpression", "index_expression"})

Evaluate = Callable[[Node], JSON]


@dataclass(frozen=True, slots=True)
class ConditionPart:
    """One part of a condition, with its value `found`.

    `operator`: `&&`, `||`, `!`, a comparison such as `==`, or `()` for a function; null for a
    value. `steps`: the path of a value that is nothing but a path. `is_literal`: a value that is
    written in the condition. `problem`: why it cannot be evaluated. `parts`: the parts of `&&` and
    `||`, the sides of a comparison, the arguments of a function.
    """

    text: str
    operator: str | None
    found: JSON
    problem: str | None = None
    steps: tuple[str, ...] = ()
    is_literal: bool = False
    parts: tuple[ConditionPart, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the part is true."""
        return self.problem is None and is_true(self.found)


def condition_tree(tree: Node, evaluate: Evaluate) -> ConditionPart:
    """Return a condition with its parts. A part that cannot be evaluated has a `problem`."""
    return _ConditionWalk(evaluate).read(tree)


class _ConditionWalk:
    """Walks the tree of a condition, and evaluates at most `MAX_PARTS` of its parts."""

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate = evaluate
        self.left = MAX_PARTS

    def read(self, node: Node) -> ConditionPart:
        """Return the part of a node."""
        self.left -= 1
        value: JSON = None
        problem = None
        try:
            value = self.evaluate(node)
        except ExpressionError as error:
            problem = str(error)
        operator = _operator(node)
        children = list(_children(node)) if operator is not None else []
        return ConditionPart(
            unparse(node),
            operator,
            value,
            problem,
            steps=_path_steps(node) or (),
            is_literal=node["type"] == "literal",
            parts=tuple(self.read(child) for child in children if self.left > 0),
        )


def _operator(node: Node) -> str | None:
    kind = node["type"]
    if kind in _JUNCTIONS:
        return _JUNCTIONS[kind]
    if kind == "comparator":
        return COMPARATORS[node["value"]]
    if kind == "not_expression":
        return "!"
    return "()" if kind == "function_expression" else None


def _children(node: Node) -> Iterator[Node]:
    """Yield the parts of a node; `a && b && c` has three."""
    for child in node["children"]:
        if node["type"] in _JUNCTIONS and child["type"] == node["type"]:
            yield from _children(child)
        elif child["type"] != "expref":
            yield child


def _path_steps(node: Node) -> tuple[str, ...] | None:
    """Return the steps of a path of names and indexes, None for any other expression."""
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] == "index":
        return (str(node["value"]),) if node["value"] >= 0 else None
    if node["type"] not in _CHAINS:
        return None
    parts = [_path_steps(child) for child in node["children"]]
    return tuple(step for part in parts for step in part or ()) if all(parts) else None
