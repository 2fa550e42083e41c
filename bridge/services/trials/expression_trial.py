"""The value of an expression on a stored event, or its error with the place. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.json_values import TooDeepValue, write_json
from bridge.core.model import JSON, Event
from bridge.routing.explain.shown_values import UNWRITABLE
from bridge.routing.expressions.compile import compile_expression
from bridge.routing.functions.signature import type_of
from bridge.routing.model import Config
from bridge.routing.planner import build_context
from bridge.routing.templates import compile_template
from bridge.services.usable_config import body_reader

MAX_VALUE_CHARS: Final = 64 * 1024  # of the JSON of the value
_CHARACTER = re.compile(r"at character (\d+)")
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionResult:
    """What an expression gives: a `type` with the value as JSON `text`, or an `error`.

    `column`: the character that the error is about, counted from 1, null if that is not known.
    `is_whole`: `text` is all of the value.
    """

    type: str | None = None
    text: str | None = None
    is_whole: bool = True
    error: str | None = None
    column: int | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return the result as JSON."""
        return {
            "type": self.type,
            "text": self.text,
            "whole": self.is_whole,
            "error": self.error,
            "column": self.column,
        }


def try_expression(text: str, event: Event, config: Config | None) -> ExpressionResult:
    """Evaluate an expression, or a text with `${…}`, on an event as its source reads it."""
    body = body_reader({} if config is None else config.sources)(event)
    if body.problem is not None:
        return ExpressionResult(error=body.problem)
    roots = build_context(event, body, event.received_at)
    try:
        value = compile_template(text)(roots) if "${" in text else compile_expression(text)(roots)
    except (CompileError, ExpressionError) as error:
        message = str(error)
        return ExpressionResult(error=message, column=find_error_column(text, message))
    try:
        written = write_json(value, is_indented=True).decode()
    except (TypeError, TooDeepValue):
        return ExpressionResult(error=UNWRITABLE)
    return ExpressionResult(
        type=type_of(value),
        text=written[:MAX_VALUE_CHARS],
        is_whole=len(written) <= MAX_VALUE_CHARS,
    )


def find_error_column(text: str, message: str) -> int | None:
    """Return the character of an expression that a message is about, counted from 1.

    A message has its number, or quotes a part of the expression.
    """
    quoted = _QUOTED.findall(message)
    inner = quoted[0] if quoted and message.startswith("in `") else text.strip()
    at = max(text.find(inner), 0)
    match = _CHARACTER.search(message)
    if match is not None:
        start = text.rfind("${", 0, at + 1)
        return min((0 if start < 0 else start + len("${")) + int(match[1]), len(text) + 1)
    if "ends too early" in message:
        return at + len(inner) + 1
    for part in quoted:
        if part != inner and (place := text.find(part, at)) >= 0:
            return place + 1
    return None
