"""The compared parts of a condition and their values, to explain its result. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.values import is_true

MAX_CALL_LENGTH: Final = 40  # characters of a call; a longer one is shown without arguments
Evaluate = Callable[[Node], JSON]


def condition_parts(tree: Node, evaluate: Evaluate) -> list[tuple[str, JSON]]:
    """Return the compared parts that made a condition true or false, as (text, value).

    A condition that is only one value has no parts.
    """
    found = dict(_parts(tree, evaluate))
    found.pop(_text(tree), None)
    return list(found.items())


def _parts(node: Node, evaluate: Evaluate) -> Iterator[tuple[str, JSON]]:
    kind = node["type"]
    children = node["children"]
    if kind in ("and_expression", "or_expression"):
        verdict = is_true(evaluate(node))
        for child in children:
            if is_true(evaluate(child)) is verdict:
                yield from _parts(child, evaluate)
                # it decides the result: later parts were not evaluated
                if verdict is (kind == "or_expression"):
                    return
    elif kind == "not_expression":
        yield from _parts(children[0], evaluate)
    elif kind in ("comparator", "function_expression"):
        for child in children:
            if child["type"] not in ("literal", "expref"):
                with suppress(ExpressionError):  # an argument that the function did not use
                    yield _text(child), evaluate(child)
    elif kind != "literal":
        yield _text(node), evaluate(node)


def _text(node: Node) -> str:
    text = unparse(node)
    return (
        f"{node['value']}(…)"
        if node["type"] == "function_expression" and len(text) > MAX_CALL_LENGTH
        else text
    )
