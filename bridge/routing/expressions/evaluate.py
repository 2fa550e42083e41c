"""From a JMESPath tree to nested functions, built once and called per event. Pure.

The library's own interpreter walks the tree anew for each event, reports a wrong type without
saying where, and holds `[1] == [true]`; this one gives the same values otherwise, which a test
compares with it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.roots import Node, near
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.numeric import Money, decimal
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.functions.signature import Function, Reference, check_type, shorten, type_of
from bridge.routing.functions.structure import equal, is_true

MAX_MADE = 16 * 1024 * 1024  # characters and elements that the functions of one evaluation may make


class Run:
    """What one evaluation knows and has spent."""

    __slots__ = ("made", "roots")

    def __init__(self, roots: Mapping[str, JSON]) -> None:
        self.roots = roots
        self.made = 0


Step = Callable[[JSON, Run], JSON]


def build(node: Node) -> Step:
    """Return the function that evaluates `node` on (current node, run)."""
    return _BUILDERS[node["type"]](node)


def _field(node: Node) -> Step:
    name = node["value"]
    return lambda value, _run: value.get(name) if isinstance(value, dict) else None


def _chain(node: Node) -> Step:
    children = node["children"]
    if all(child["type"] == "field" for child in children):
        return _path(tuple(child["value"] for child in children))
    return _joined(tuple(map(build, children)))


def _path(names: tuple[str, ...]) -> Step:
    def path(value: JSON, _run: Run) -> JSON:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return path


def _index(node: Node) -> Step:
    index = node["value"]
    return lambda value, _run: (
        value[index] if isinstance(value, list) and -len(value) <= index < len(value) else None
    )


def _slice(node: Node) -> Step:
    if node["children"][2] == 0:
        raise CompileError("a slice with step 0")
    part = slice(*node["children"])
    return lambda value, _run: value[part] if isinstance(value, list) else None


def _literal(node: Node) -> Step:
    constant = node["value"]
    return lambda _value, _run: constant


def _current(_node: Node) -> Step:
    return lambda value, _run: value


def _or(node: Node) -> Step:
    left, right = map(build, node["children"])

    def either(value: JSON, run: Run) -> JSON:
        found = left(value, run)
        return found if is_true(found) else right(value, run)

    return either


def _and(node: Node) -> Step:
    left, right = map(build, node["children"])

    def both(value: JSON, run: Run) -> JSON:
        found = left(value, run)
        return right(value, run) if is_true(found) else found

    return both


def _not(node: Node) -> Step:
    inner = build(node["children"][0])
    return lambda value, run: not is_true(inner(value, run))


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def _comparable(node: Node) -> Step | None:
    """Return the function that evaluates a side of a comparison which ends in a call that has a
    value of its own there, else null.
    """
    if node["type"] in ("subexpression", "pipe"):
        *before, last = node["children"]
        step = _comparable(last)
        return None if step is None else _joined((*map(build, before), step))
    row = FUNCTIONS.get(node["value"]) if node["type"] == "function_expression" else None
    return (
        None
        if row is None or row.compared is None
        else _function(node, replace(row, call=row.compared))
    )


def _joined(steps: tuple[Step, ...]) -> Step:
    def chain(value: JSON, run: Run) -> JSON:
        for step in steps:
            value = step(value, run)
        return value

    return chain


def _in_units(left: Any, right: Any, node: Node) -> tuple[Any, Any]:
    """Return both sides of a comparison, of which one is money, as values of one type: numbers
    beside a number, else texts.
    """
    if isinstance(left, Money) and isinstance(right, Money):
        if left.currency == right.currency or node["value"] in ("eq", "ne"):
            return (
                (left.amount, right.amount)
                if left.currency == right.currency
                else (str(left), str(right))
            )
        raise ExpressionError(
            f"amounts of two currencies have no order (in `{shorten(unparse(node))}`)"
        )
    money, other = (left, right) if isinstance(left, Money) else (right, left)
    is_number = type_of(other) == "number"
    pair = (money.amount, decimal(other)) if is_number else (str(money), other)
    return pair if money is left else pair[::-1]


def _money_comparator(node: Node, left: Step, right: Step) -> Step:
    """Return a comparison in units of a currency: `money(…) > 100` is about 100 of them, however
    many cents they have.
    """
    name = node["value"]

    def compare(value: JSON, run: Run) -> JSON:
        a = left(value, run)
        b = right(value, run)
        if isinstance(a, Money) or isinstance(b, Money):
            a, b = _in_units(a, b, node)
        if name in ("eq", "ne"):
            return (type(a) is type(b) and a == b) is (name == "eq")
        return _ORDERS[name](a, b) if type(a) is type(b) else None

    return compare


def _comparator(node: Node) -> Step:
    compared = [_comparable(child) for child in node["children"]]
    if any(compared):
        first, second = (
            step or build(child) for step, child in zip(compared, node["children"], strict=True)
        )
        return _money_comparator(node, first, second)
    left, right = map(build, node["children"])
    if node["value"] in ("eq", "ne"):
        wanted = node["value"] == "eq"
        return lambda value, run: equal(left(value, run), right(value, run)) is wanted
    order = _ORDERS[node["value"]]

    def compare(value: JSON, run: Run) -> JSON:
        a = left(value, run)
        b = right(value, run)
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
    def collect(value: JSON, run: Run) -> JSON:
        base = elements(left(value, run))
        if base is None:
            return None
        return [found for element in base if (found := right(element, run)) is not None]

    return collect


def _filter(node: Node) -> Step:
    left, right, condition = map(build, node["children"])

    def filtered(value: JSON, run: Run) -> JSON:
        base = left(value, run)
        if not isinstance(base, list):
            return None
        kept = (element for element in base if is_true(condition(element, run)))
        return [found for element in kept if (found := right(element, run)) is not None]

    return filtered


def _flatten(node: Node) -> Step:
    inner = build(node["children"][0])

    def flatten(value: JSON, run: Run) -> JSON:
        base = inner(value, run)
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
    return lambda value, run: None if value is None else [step(value, run) for step in steps]


def _select_dict(node: Node) -> Step:
    steps = tuple((child["value"], build(child["children"][0])) for child in node["children"])
    return lambda value, run: (
        None if value is None else {name: step(value, run) for name, step in steps}
    )


def _expref(node: Node) -> Step:
    inner = build(node["children"][0])
    return lambda _value, run: Reference(lambda element: inner(element, run))


def _function(node: Node, given: Function | None = None) -> Step:
    """Return the function that makes a call; `given`: the row to call in place of the table's."""
    name = node["value"]
    arguments = node["children"]
    row = given or FUNCTIONS.get(name)
    if row is None:
        hint = near(name, FUNCTIONS).rstrip() or f"allowed: {', '.join(sorted(FUNCTIONS))}"
        raise CompileError(f"no function `{name}`; {hint}")
    if len(arguments) < row.least or (row.most is not None and len(arguments) > row.most):
        raise CompileError(
            f"`{name}` is written {row.signature}, found {len(arguments)}"
            f" argument{'s' * (len(arguments) != 1)}"
        )
    types = [row.types[min(index, len(row.types) - 1)] for index in range(len(arguments))]
    for argument, wanted in zip(arguments, types, strict=True):
        if (argument["type"] == "expref") != (wanted == "expression"):
            slip = (
                "wants an expression after &"
                if wanted == "expression"
                else "takes no expression after &"
            )
            raise CompileError(f"`{name}` {slip} there: {row.signature}")
    steps = tuple(map(build, arguments))
    if row.lazy:
        return lambda value, run: row.call(*(partial(step, value, run) for step in steps))
    return _call(row, node, tuple(zip(steps, types, map(unparse, arguments), strict=True)))


_PLAIN: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
    "null": frozenset({type(None)}),
    "expression": frozenset({Reference}),
    "any": frozenset({str, int, float, bool, list, dict, type(None)}),
}


def _call(row: Function, node: Node, arguments: tuple[tuple[Step, str, str], ...]) -> Step:
    known = tuple(
        (
            step,
            frozenset().union(*(_PLAIN.get(name, frozenset()) for name in wanted.split("|"))),
            wanted,
            text,
        )
        for step, wanted, text in arguments
    )

    def call(value: JSON, run: Run) -> JSON:
        values = []
        for step, plain, wanted, text in known:
            found = step(value, run)
            if type(found) not in plain:
                check_type(found, wanted, text)
            values.append(found)
        try:
            result = row.call(run.roots, *values) if row.knows else row.call(*values)
        except ExpressionError as error:
            raise ExpressionError(f"`{shorten(unparse(node))}`: {error}") from None
        except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError):
            raise ExpressionError(
                f"`{shorten(unparse(node))}` cannot be evaluated on this value"
            ) from None
        if isinstance(result, (str, list)):
            run.made += len(result)
            if run.made > MAX_MADE:
                raise ExpressionError(f"`{shorten(unparse(node))}` makes too much")
        return result

    return call


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
