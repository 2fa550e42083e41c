"""Prepare an expression for JMESPath: quote bare numbers, explain common mistakes. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from bridge.core.errors import CompileError
from bridge.routing.functions.signature import shorten

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
