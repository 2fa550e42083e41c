"""The mutation operators: those of cosmic-ray whose mutants mean something here, and four of our
own.

cosmic-ray replaces each operator by each other one. Most of those raise a TypeError wherever they
run (`a << b` of two times), or change nothing (`is` for `==`), and would only improve the score;
the tables name those that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cosmic_ray.plugins
import parso
from cosmic_ray.exceptions import CosmicRayTestingException
from cosmic_ray.operators.boolean_replacer import AddNot
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.operator import Operator
from parso.python.tree import Name

COMPARISONS = {
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Lt": ("LtE", "Gt", "GtE"),
    "LtE": ("Lt", "Gt", "GtE"),
    "Gt": ("GtE", "Lt", "LtE"),
    "GtE": ("Gt", "Lt", "LtE"),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
ARITHMETIC = {
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "Div",
    "Div": "Mul",
    "FloorDiv": "Mul",
    "Mod": "Mul",
    "Pow": "Mul",
    "BitOr": "BitAnd",
    "BitAnd": "BitOr",
}
PLAIN = (
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "ZeroIterationForLoop",
)
UNARY = ("Delete_Not", "Delete_USub", "Delete_Invert", "USub_UAdd")


_ARITHMETIC_NODES = {"term", "power", "arith_expr", "expr", "and_expr", "xor_expr", "shift_expr"}
# comparisons that have a mutant which is their negation
_NEGATED = {"is", "is not", "==", "!=", "in", "not in"}


class RemoveCall(Operator):
    """Remove a statement that is one call: a lock that is not taken, a step that is left out."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of a statement that is nothing but a call."""
        if node.type == "simple_stmt" and _is_call(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Put `pass` where the call is."""
        nothing = parso.parse("pass").children[0]
        nothing.prefix = node.children[0].get_first_leaf().prefix
        node.children[0] = nothing
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return none."""
        return ()


class NegateCondition(AddNot):
    """Negate a whole condition; `AddNot` negates only the first part of `a or b`, as another mutant
    does.
    """

    def mutate(self, node: Any, index: int) -> Any:
        """Put `not` before the condition."""
        at = 2 if node.type == "test" else 1
        node.children[at] = _negated(node.children[at])
        return node


class SwapIn(Operator):
    """Replace `in` by `not in`, and the other way round."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the places of both operators."""
        if node.type == "comparison":
            yield from (
                (each.start_pos, each.end_pos) for each in node.children[1::2] if _is_in(each)
            )

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the operator at this index."""
        at = [place for place, each in enumerate(node.children) if place % 2 and _is_in(each)][
            index
        ]
        swapped = "not in" if node.children[at].get_code().split() == ["in"] else "in"
        node.children[at] = parso.parse(f"a {swapped} b").children[0].children[1]
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return none."""
        return ()


class ReplaceException(ExceptionReplacer):
    """Replace an exception by one that is never raised, also where its name has the module."""

    def mutate(self, node: Any, index: int) -> Any:
        """Replace the exception at this index."""
        name = self._name_nodes(node)[index]
        if isinstance(name, Name):
            return super().mutate(node, index)
        prefix = name.get_first_leaf().prefix
        name.children = [Name(CosmicRayTestingException.__name__, name.start_pos, prefix)]
        return node

    @staticmethod
    def _name_nodes(node: Any) -> list[Any]:
        names = node.children[1]
        if names.type == "atom":
            names = names.children[1]  # without the parentheses
        return names.children[::2] if names.type == "testlist_comp" else [names]


class NegateFilter(Operator):
    """Negate the condition of a comprehension."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of the condition."""
        if node.type == "comp_if":
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Put `not` before it."""
        node.children[1] = _negated(node.children[1])
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """Return none."""
        return ()


def says_nothing(operator: str, node: Any) -> bool:
    """Tell whether a mutant only repeats another one, or changes a sign that is no arithmetic (`*`
    in a list of parameters).
    """
    if operator.startswith("ReplaceBinaryOperator"):
        return node.parent.type not in _ARITHMETIC_NODES
    if operator != "NegateCondition":
        return False
    condition = node.children[2] if node.type == "test" else node.children[1]
    return condition.type == "not_test" or (
        condition.type == "comparison"
        and len(condition.children) == 3
        and " ".join(condition.children[1].get_code().split()) in _NEGATED
    )


def _negated(condition: Any) -> Any:
    negated = parso.parse(f"not ({condition.get_code().strip()})").children[0]
    negated.get_first_leaf().prefix = " "
    return negated


def _is_call(node: Any) -> bool:
    return (
        node.type in {"atom_expr", "power"}
        and node.children[-1].type == "trailer"
        and node.children[-1].children[0].value == "("
    )


def _is_in(node: Any) -> bool:
    return node.get_code().split() in (["in"], ["not", "in"])


def _names() -> Iterator[str]:
    yield from (
        f"ReplaceComparisonOperator_{old}_{new}"
        for old, many in COMPARISONS.items()
        for new in many
    )
    yield from (f"ReplaceBinaryOperator_{old}_{new}" for old, new in ARITHMETIC.items())
    yield from (f"ReplaceUnaryOperator_{name}" for name in UNARY)
    yield from PLAIN


OPERATORS: dict[str, type[Operator]] = {
    **{name: cosmic_ray.plugins.get_operator(f"core/{name}") for name in _names()},
    "ExceptionReplacer": ReplaceException,
    **{each.__name__: each for each in (RemoveCall, NegateCondition, SwapIn, NegateFilter)},
}
