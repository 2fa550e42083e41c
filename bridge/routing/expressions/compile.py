"""Expressions: JMESPath with bare numbers and further functions, compiled at load. Pure.

https://jmespath.org/specification.html

An expression is prepared for the library first: bare numbers are quoted, and common mistakes
explained.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from jmespath import exceptions
from jmespath.parser import Parser

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.condition_tree import ConditionPart, condition_tree
from bridge.routing.expressions.evaluate import build
from bridge.routing.expressions.paths import IsFree, PathReading, read_paths
from bridge.routing.expressions.roots import (
    MAX_COPIES,
    ROOTS,
    Node,
    check_depth,
    check_roots,
    count_copies,
    iterate_nodes,
)
from bridge.routing.expressions.steps import Evaluation, Step
from bridge.routing.expressions.unparse import unparse
from bridge.routing.functions.signature import shorten
from bridge.routing.functions.values import is_true

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<raw>'(?:\\.|[^'\\])*')
      | (?P<quoted>"(?:\\.|[^"\\])*")
      | (?P<literal>`(?:\\.|[^`\\])*`)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<index>\[\s*(?:-?[0-9]+\s*\]
          |(?:-?[0-9]+)?\s*:\s*(?:-?[0-9]+)?\s*(?::\s*(?:-?[0-9]+)?\s*)?\]))
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<operator>==|!=|<=|>=|&&|\|\||\[\?|\[\]|.)""",
    re.VERBOSE | re.DOTALL,
)
_VALUE_KINDS = frozenset({"raw", "quoted", "literal", "name", "index", "number"})
_ARITHMETIC = {"+": "add", "-": "sub", "/": "div", "%": "mod"}
_CLOSING_BRACKETS = {")": "(", "]": "[", "}": "{"}
MAX_NESTING = 50  # brackets within brackets
MAX_DIGITS = 21  # of an integer with its sign


@dataclass(frozen=True, slots=True)
class ScannedExpression:
    """An expression for JMESPath, and the places of the numbers that got two backticks."""

    text: str
    widened: tuple[tuple[int, int], ...]

    def original(self, position: int) -> int:
        """Return the position in the original text for a `position` in `text`."""
        return position - sum((position > start) + (position > end) for start, end in self.widened)


def scan(expression: str) -> ScannedExpression:
    """Return `expression` with its bare numbers as literals.

    Raises CompileError with a hint for common mistakes.
    """
    pieces: list[str] = []
    widened: list[tuple[int, int]] = []
    length = 0
    depth = 0
    before = ""
    kind_before = ""
    for match in _TOKEN.finditer(expression):
        kind = match.lastgroup or ""
        text = match[0]
        if kind != "space":
            _check_slip(expression, match, before, kind_before)
            depth += (text in ("(", "[", "{", "[?")) - (text in _CLOSING_BRACKETS)
            if depth > MAX_NESTING:
                raise CompileError(f"brackets nested more than {MAX_NESTING} deep")
            before = text
            kind_before = kind
        if kind == "number":
            widened.append((length, length + len(text) + 1))
            text = f"`{_literal(text)}`"
        pieces.append(text)
        length += len(text)
    return ScannedExpression("".join(pieces), tuple(widened))


def _literal(number: str) -> str:
    try:
        _read_json(number)
    except ValueError:
        raise CompileError(f"`{number}` is not a number as JSON writes it") from None
    return number


def _check_literal(text: str) -> None:
    """Reject a literal that is not JSON: the library reads `open` as "open", with a warning."""
    try:
        _read_json(text[1:-1].replace("\\`", "`"))
    except (ValueError, RecursionError):
        raise CompileError(
            f"{text} is not JSON; a text needs single quotes: '{text[1:-1]}'"
        ) from None


def _read_json(text: str) -> None:
    """Raise ValueError for what is not JSON, and CompileError for a number out of range."""
    json.loads(text, parse_int=_check_number, parse_float=_check_number, parse_constant=_refuse)


def _check_number(text: str) -> None:
    is_whole = text.removeprefix("-").isdigit()
    if is_whole and len(text) <= MAX_DIGITS and -(2**63) <= int(text) < 2**64:
        return
    if is_whole or math.isinf(float(text)):
        raise CompileError(f"`{shorten(text)}` is out of range")


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_slip(expression: str, match: re.Match[str], before: str, kind_before: str) -> None:
    kind = match.lastgroup or ""
    text = match[0]
    after_value = kind_before in _VALUE_KINDS or before in (")", "]", "}")
    if kind == "literal":
        _check_literal(text)
    if kind == "quoted" and before in ("==", "!="):
        raise CompileError(
            f"{text} in double quotes is the name of a field; a text needs single quotes:"
            f" '{text[1:-1]}'"
        )
    if kind == "number" and before == ".":
        raise CompileError(f"`.{text}`: an element of an array is written [{text}]")
    if kind == "number" and text.startswith("-") and after_value:
        raise CompileError("`-` is not an operator: write sub(a, b)")
    if kind != "operator":
        return
    if (
        text == "-"
        and kind_before == "name"
        and expression[match.end() : match.end() + 1].isalnum()
    ):
        rest = re.match(r"[\w-]*", expression[match.start() :])
        name = before + (rest[0] if rest else "")
        raise CompileError(
            f'a name with a hyphen needs double quotes: "{name}" (and to subtract, write sub(a, b))'
        )
    if text in _ARITHMETIC:
        raise CompileError(f"`{text}` is not an operator: write {_ARITHMETIC[text]}(a, b)")
    if text == "=":
        raise CompileError("`=` is not an operator: write ==")
    if text in ("'", '"', "`"):
        raise CompileError(f"a {text} at character {match.start() + 1} is not closed")
    if text == "$":
        raise CompileError(
            "`$` has no meaning inside an expression: names are written without ${ }"
        )


MAX_CALL_LENGTH: Final = 40  # characters of a call; a longer one is shown without arguments
Evaluate = Callable[[Node], JSON]


def condition_parts(tree: Node, evaluate: Evaluate) -> list[tuple[str, JSON]]:
    """Return the compared parts that made a condition true or false, as (text, value).

    A condition that is only one value has no parts.
    """
    parts = dict(_parts(tree, evaluate))
    parts.pop(_text(tree), None)
    return list(parts.items())


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
