"""Comparisons of an expression: `==`, `!=`, `<` and the like, of JSON values and of money. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.numeric import Money, decimal
from bridge.routing.functions.signature import shorten, type_of
from bridge.routing.functions.values import equal

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
        wanted = node["value"] == "eq"
        return lambda value, state: equal(left(value, state), right(value, state)) is wanted
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
