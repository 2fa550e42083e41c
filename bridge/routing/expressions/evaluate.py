"""Compile a JMESPath tree into nested functions, called once per event. Pure.

The library's own interpreter walks the tree for each event, reports a wrong type without its place,
and evaluates `[1] == [true]` to true. All other values are the same, as a test checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.routing.expressions.calls import argument_types, call_function, find_function
from bridge.routing.expressions.comparisons import compare_money, compare_values
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.functions.signature import ExpressionReference, Function
from bridge.routing.functions.values import is_true


def build(node: Node) -> Step:
    """Return the function that evaluates `node`, called with (current node, evaluation)."""
    return _BUILDERS[node["type"]](node)


def _field(node: Node) -> Step:
    name = node["value"]
    return lambda value, _state: value.get(name) if isinstance(value, dict) else None


def _chain(node: Node) -> Step:
    children = node["children"]
    if all(child["type"] == "field" for child in children):
        return _path(tuple(child["value"] for child in children))
    return _joined(tuple(map(build, children)))


def _path(names: tuple[str, ...]) -> Step:
    def path(value: JSON, _state: Evaluation) -> JSON:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return path


def _index(node: Node) -> Step:
    index = node["value"]
    return lambda value, _state: (
        value[index] if isinstance(value, list) and -len(value) <= index < len(value) else None
    )


def _slice(node: Node) -> Step:
    if node["children"][2] == 0:
        raise CompileError("a slice with step 0")
    part = slice(*node["children"])
    return lambda value, _state: value[part] if isinstance(value, list) else None


def _literal(node: Node) -> Step:
    constant = node["value"]
    return lambda _value, _state: constant


def _current(_node: Node) -> Step:
    return lambda value, _state: value


def _or(node: Node) -> Step:
    left, right = map(build, node["children"])

    def either(value: JSON, state: Evaluation) -> JSON:
        found = left(value, state)
        return found if is_true(found) else right(value, state)

    return either


def _and(node: Node) -> Step:
    left, right = map(build, node["children"])

    def both(value: JSON, state: Evaluation) -> JSON:
        found = left(value, state)
        return right(value, state) if is_true(found) else found

    return both


def _not(node: Node) -> Step:
    inner = build(node["children"][0])
    return lambda value, state: not is_true(inner(value, state))


def _build_compared(node: Node) -> Step | None:
    """Return the function for one side of a comparison, if it ends in a call such as money().

    Such a call has another value in a comparison. Null for all other sides.
    """
    if node["type"] in ("subexpression", "pipe"):
        *before, last = node["children"]
        step = _build_compared(last)
        return None if step is None else _joined((*map(build, before), step))
    row = FUNCTIONS.get(node["value"]) if node["type"] == "function_expression" else None
    return (
        None
        if row is None or row.call_in_comparison is None
        else _function(node, replace(row, call=row.call_in_comparison))
    )


def _joined(steps: tuple[Step, ...]) -> Step:
    def chain(value: JSON, state: Evaluation) -> JSON:
        for step in steps:
            value = step(value, state)
        return value

    return chain


def _comparator(node: Node) -> Step:
    compared = [_build_compared(child) for child in node["children"]]
    if any(compared):
        first, second = (
            step or build(child) for step, child in zip(compared, node["children"], strict=True)
        )
        return compare_money(node, first, second)
    left, right = map(build, node["children"])
    return compare_values(node, left, right)


def _projection(node: Node) -> Step:
    return _collect(
        build(node["children"][0]),
        build(node["children"][1]),
        lambda base: base if isinstance(base, list) else None,
    )


def _value_projection(node: Node) -> Step:
    return _collect(
        build(node["children"][0]),
        build(node["children"][1]),
        lambda base: list(base.values()) if isinstance(base, dict) else None,
    )


def _collect(left: Step, right: Step, elements: Callable[[JSON], list[JSON] | None]) -> Step:
    def collect(value: JSON, state: Evaluation) -> JSON:
        base = elements(left(value, state))
        if base is None:
            return None
        return [found for element in base if (found := right(element, state)) is not None]

    return collect


def _filter(node: Node) -> Step:
    left, right, condition = map(build, node["children"])

    def filtered(value: JSON, state: Evaluation) -> JSON:
        base = left(value, state)
        if not isinstance(base, list):
            return None
        kept = (element for element in base if is_true(condition(element, state)))
        return [found for element in kept if (found := right(element, state)) is not None]

    return filtered


def _flatten(node: Node) -> Step:
    inner = build(node["children"][0])

    def flatten(value: JSON, state: Evaluation) -> JSON:
        base = inner(value, state)
        if not isinstance(base, list):
            return None
        return [
            item
            for element in base
            for item in (element if isinstance(element, list) else (element,))
        ]

    return flatten


def _select_list(node: Node) -> Step:
    steps = tuple(map(build, node["children"]))
    return lambda value, state: None if value is None else [step(value, state) for step in steps]


def _select_dict(node: Node) -> Step:
    steps = tuple((child["value"], build(child["children"][0])) for child in node["children"])
    return lambda value, state: (
        None if value is None else {name: step(value, state) for name, step in steps}
    )


def _expref(node: Node) -> Step:
    inner = build(node["children"][0])
    return lambda _value, state: ExpressionReference(lambda element: inner(element, state))


def _function(node: Node, given: Function | None = None) -> Step:
    """Return the function for a call; `given` replaces the row of the function table."""
    row = given or find_function(node)
    types = argument_types(row, node)
    steps = tuple(map(build, node["children"]))
    if row.lazy:
        return lambda value, state: row.call(*(partial(step, value, state) for step in steps))
    return call_function(row, node, steps, types)


_BUILDERS: dict[str, Callable[[Node], Step]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "index": _index,
    "slice": _slice,
    "literal": _literal,
    "current": _current,
    "identity": _current,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparator,
    "projection": _projection,
    "value_projection": _value_projection,
    "filter_projection": _filter,
    "flatten": _flatten,
    "multi_select_list": _select_list,
    "multi_select_dict": _select_dict,
    "expref": _expref,
    "function_expression": _function,
}
