"""Expressions: JMESPath with bare numbers and further functions, compiled at load. Pure.

https://jmespath.org/specification.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jmespath import exceptions
from jmespath.parser import Parser

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.condition_tree import ConditionPart, condition_tree
from bridge.routing.expressions.evaluate import build
from bridge.routing.expressions.parts import condition_parts
from bridge.routing.expressions.paths import (
    IsFree,
    PathReading,
    read_paths,
)
from bridge.routing.expressions.roots import (
    MAX_COPIES,
    ROOTS,
    Node,
    check_depth,
    check_roots,
    count_copies,
    iterate_nodes,
)
from bridge.routing.expressions.scan import scan
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.functions.signature import shorten

MAX_EXPRESSION_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression: called with the roots, returns JSON or raises ExpressionError."""

    text: str
    step: Step = field(repr=False, compare=False)
    whole: bool = False  #: it uses the whole event as a value, so it must see only the roots
    functions: frozenset[str] = frozenset()  #: names of the functions that it calls

    def __call__(self, context: Mapping[str, JSON]) -> JSON:
        """Evaluate on the roots in `context`; its `now` is the value of now()."""
        value: JSON = (
            {root: context.get(root) for root in ROOTS}
            if self.whole or type(context) is not dict
            else context
        )
        try:
            return self.step(value, Evaluation(context))
        except RecursionError:
            raise ExpressionError(f"`{shorten(self.text)}`: the value is nested too deep") from None

    def read(
        self, contexts: Sequence[Mapping[str, JSON]], is_free: IsFree = lambda _: False
    ) -> list[PathReading]:
        """Return each path that it reads, with its values in the contexts; see `read_paths`."""
        return read_paths(_parse(self.text), contexts, is_free)

    def parts(self, context: Mapping[str, JSON]) -> list[tuple[str, JSON]]:
        """Return the compared parts that made it true or false, as (text, value).

        Raises ExpressionError if it cannot be evaluated.
        """
        return condition_parts(_parse(self.text), self._evaluator(context))

    def explain(self, context: Mapping[str, JSON]) -> ConditionPart:
        """Return it with all its parts and their values, as a tree."""
        return condition_tree(_parse(self.text), self._evaluator(context))

    @staticmethod
    def _evaluator(context: Mapping[str, JSON]) -> Callable[[Node], JSON]:
        value = {root: context.get(root) for root in ROOTS}

        def evaluate(node: Node) -> JSON:
            try:
                return build(node)(value, Evaluation(context))
            except RecursionError:
                raise ExpressionError("the value is nested too deep") from None

        return evaluate


class ExpressionParser(Parser):  # type: ignore[misc]  # jmespath has no types
    """The library's parser, but `!a.b` means !(a.b): the library's (!a).b is always null."""

    # tighter than ==, looser than [] and .
    BINDING_POWER: ClassVar[dict[str, int]] = {**Parser.BINDING_POWER, "not": 8}
    _CACHE: ClassVar[dict[str, Any]] = {}


def compile_expression(text: str) -> Expression:
    """Compile `text`, or raise CompileError with the mistake and its correction."""
    if not text.strip():
        raise CompileError("an empty expression")
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise CompileError(
            f"an expression of {len(text)} characters; allowed: {MAX_EXPRESSION_LENGTH}"
        )
    try:
        tree = _parse(text)
        check_depth(tree)
        step = build(tree)
        whole = check_roots(tree)
        if count_copies(tree) > MAX_COPIES:
            raise CompileError(f"it would hold more than {MAX_COPIES} copies of the same value")
    except CompileError as error:
        raise CompileError(f"in `{shorten(text.strip())}`: {error}") from None
    called = frozenset(
        node["value"] for node, _ in iterate_nodes(tree) if node["type"] == "function_expression"
    )
    return Expression(text, step, whole, called)


def _parse(text: str) -> Node:
    scanned = scan(text)
    try:
        tree: Node = ExpressionParser().parse(scanned.text).parsed
        return tree
    except exceptions.IncompleteExpressionError:
        raise CompileError("it ends too early: something is missing or not closed") from None
    except exceptions.LexerError as error:
        raise CompileError(
            f"syntax error at character {scanned.original(error.lexer_position) + 1}"
        ) from None
    except exceptions.ParseError as error:
        position = scanned.original(error.lex_position) + 1
        raise CompileError(
            f"syntax error at character {position}: unexpected `{error.token_value}`"
        ) from None
    except exceptions.JMESPathError:
        raise CompileError("syntax error") from None
    except RecursionError:
        raise CompileError("it is nested too deep") from None
