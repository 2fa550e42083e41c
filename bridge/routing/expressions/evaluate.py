"""Compile a JMESPath tree, with its calls and comparisons, into nested functions, called once per
event. Pure.

The library's own interpreter walks the tree for each event, reports a wrong type without its place,
and evaluates `[1] == [true]` to true. All other values are the same, as a test checks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.core.typos import suggest
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.numeric import Money, decimal
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.functions.signature import (
    ExpressionReference,
    Function,
    check_type,
    shorten,
    type_of,
)
from bridge.routing.functions.values import equal, is_true

MAX_OUTPUT_SIZE = (
    16 * 1024 * 1024
)  # characters and elements made by the functions of one evaluation
_PYTHON_TYPES: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
    "null": frozenset({type(None)}),
    "expression": frozenset({ExpressionReference}),
    "any": frozenset({str, int, float, bool, list, dict, type(None)}),
}


def find_function(node: Node) -> Function:
    """Return the function that a call names, or raise CompileError."""
    name = node["value"]
    row = FUNCTIONS.get(name)
    if row is None:
        hint = suggest(name, FUNCTIONS).rstrip() or f"allowed: {', '.join(sorted(FUNCTIONS))}"
        raise CompileError(f"no function `{name}`; {hint}")
    return row


def argument_types(row: Function, node: Node) -> list[str]:
    """Return the type that each argument of a call needs; CompileError where the call is wrong."""
    name = node["value"]
    arguments = node["children"]
    if len(arguments) < row.min_arguments or (
        row.max_arguments is not None and len(arguments) > row.max_arguments
    ):
        raise CompileError(
            f"`{name}` is written {row.signature}, found {len(arguments)}"
            f" argument{'s' * (len(arguments) != 1)}"
        )
    types = [row.types[min(index, len(row.types) - 1)] for index in range(len(arguments))]
    for argument, type_name in zip(arguments, types, strict=True):
        if (argument["type"] == "expref") != (type_name == "expression"):
            slip = (
                "needs an expression after &"
                if type_name == "expression"
                else "takes no expression after &"
            )
            raise CompileError(f"`{name}` {slip} there: {row.signature}")
    return types


def call_function(row: Function, node: Node, steps: Sequence[Step], types: Sequence[str]) -> Step:
    """Return the call of a function, with its arguments and result checked."""
    texts = map(unparse, node["children"])
    arguments = tuple(
        (
            step,
            frozenset().union(
                *(_PYTHON_TYPES.get(name, frozenset()) for name in type_name.split("|"))
            ),
            type_name,
            text,
        )
        for step, type_name, text in zip(steps, types, texts, strict=True)
    )

    def call(value: JSON, state: Evaluation) -> JSON:
        values = []
        for step, plain, type_name, text in arguments:
            argument = step(value, state)
            if type(argument) not in plain:
                check_type(argument, type_name, text)
            values.append(argument)
        try:
            result = row.call(state.roots, *values) if row.needs_roots else row.call(*values)
        except ExpressionError as error:
            raise ExpressionError(f"`{shorten(unparse(node))}`: {error}") from None
        except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError):
            raise ExpressionError(
                f"`{shorten(unparse(node))}` cannot be evaluated on this value"
            ) from None
        if isinstance(result, (str, list)):
            state.output_size += len(result)
            if state.output_size > MAX_OUTPUT_SIZE:
                raise ExpressionError(f"`{shorten(unparse(node))}` produces too much output")
        return result

    return call


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def _convert_money(left: Any, right: Any, node: Node) -> tuple[Any, Any]:
    """Convert the sides of a comparison with money to one type.

    Beside a number, money is its amount; else it is its text.
    """
    if isinstance(left, Money) and isinstance(right, Money):
        if left.currency == right.currency or node["value"] in ("eq", "ne"):
            return (
                (left.amount, right.amount)
                if left.currency == right.currency
                else (str(left), str(right))
            )
        raise ExpressionError(
            f"cannot order amounts in two currencies (in `{shorten(unparse(node))}`)"
        )
    money, other = (left, right) if isinstance(left, Money) else (right, left)
    is_number = type_of(other) == "number"
    pair = (money.amount, decimal(other)) if is_number else (str(money), other)
    return pair if money is left else pair[::-1]


def compare_money(node: Node, left: Step, right: Step) -> Step:
    """Return a comparison in currency units: `money(…) > 100` means 100 units, not cents."""
    name = node["value"]

    def compare(value: JSON, state: Evaluation) -> JSON:
        a = left(value, state)
        b = right(value, state)
        if isinstance(a, Money) or isinstance(b, Money):
            a, b = _convert_money(a, b, node)
        if name in ("eq", "ne"):
            return (type(a) is type(b) and a == b) is (name == "eq")
        return _ORDERS[name](a, b) if type(a) is type(b) else None

    return compare


def compare_values(node: Node, left: Step, right: Step) -> Step:
    """Return the comparison of two values."""
    if node["value"] in ("eq", "ne"):
        expects_equal = node["value"] == "eq"
        return lambda value, state: equal(left(value, state), right(value, state)) is expects_equal
    order = _ORDERS[node["value"]]

    def compare(value: JSON, state: Evaluation) -> JSON:
        a = left(value, state)
        b = right(value, state)
        kinds = {type_of(a), type_of(b)}
        if kinds in ({"number"}, {"string"}):
            return order(a, b)
        if kinds != {"number", "string"}:  # JMESPath: ordering anything else gives null
            return None
        text = node["children"][0 if isinstance(a, str) else 1]
        raise ExpressionError(
            f"`{shorten(unparse(text))}` is string, needs number (in `{shorten(unparse(node))}`)"
        )

    return compare


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
        result = left(value, state)
        return result if is_true(result) else right(value, state)

    return either


def _and(node: Node) -> Step:
    left, right = map(build, node["children"])

    def both(value: JSON, state: Evaluation) -> JSON:
        result = left(value, state)
        return right(value, state) if is_true(result) else result

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
        return [result for element in base if (result := right(element, state)) is not None]

    return collect


def _filter(node: Node) -> Step:
    left, right, condition = map(build, node["children"])

    def filtered(value: JSON, state: Evaluation) -> JSON:
        base = left(value, state)
        if not isinstance(base, list):
            return None
        kept = (element for element in base if is_true(condition(element, state)))
        return [result for element in kept if (result := right(element, state)) is not None]

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


def _function(node: Node, replacement: Function | None = None) -> Step:
    """Return the function for a call; `replacement` replaces the row of the function table."""
    row = replacement or find_function(node)
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
