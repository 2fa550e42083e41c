"""Calls of functions in an expression, with their arguments and results checked. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.core.typos import suggest
from bridge.routing.expressions.roots import Node
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.functions.signature import ExpressionReference, Function, check_type, shorten

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
    for argument, wanted in zip(arguments, types, strict=True):
        if (argument["type"] == "expref") != (wanted == "expression"):
            slip = (
                "needs an expression after &"
                if wanted == "expression"
                else "takes no expression after &"
            )
            raise CompileError(f"`{name}` {slip} there: {row.signature}")
    return types


def call_function(row: Function, node: Node, steps: Sequence[Step], types: Sequence[str]) -> Step:
    """Return the call of a function, with its arguments and result checked."""
    texts = map(unparse, node["children"])
    known = tuple(
        (
            step,
            frozenset().union(
                *(_PYTHON_TYPES.get(name, frozenset()) for name in wanted.split("|"))
            ),
            wanted,
            text,
        )
        for step, wanted, text in zip(steps, types, texts, strict=True)
    )

    def call(value: JSON, state: Evaluation) -> JSON:
        values = []
        for step, plain, wanted, text in known:
            found = step(value, state)
            if type(found) not in plain:
                check_type(found, wanted, text)
            values.append(found)
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
