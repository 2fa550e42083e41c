"""Types of options: durations, times, texts to search for, kinds of dead deliveries."""

from __future__ import annotations

import time
from typing import Any

import click

from bridge.services.filter_values import (
    parse_dead_kind,
    parse_excerpt,
    parse_moment,
    parse_raw_excerpt,
    parse_span,
)
from bridge.services.where_filters import parse_where


class _ParsedParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """An option whose text `parse` reads; its `ValueError` is wrong usage.

    A value of the type `parsed` was read before and stays: click converts a default again.
    """

    parsed: type | tuple[()] = ()

    def parse(self, text: Any) -> Any:
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, self.parsed):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DurationParam(_ParsedParam):
    """A duration: `90s`, `15m`, `1h`."""

    name = "time"
    parsed = float

    def parse(self, text: Any) -> float:
        return parse_span(text)


class ExcerptParam(_ParsedParam):
    """A text to search for; where `raw`, the bytes of the argument, which may be no text."""

    name = "text"
    parsed = bytes

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw

    def parse(self, text: Any) -> Any:
        return parse_raw_excerpt(text) if self._raw else parse_excerpt(text)


class WhereParam(_ParsedParam):
    """A filter on a value inside events, such as `body.action=opened`, as text."""

    name = "where"

    def parse(self, text: Any) -> str:
        parse_where(text)
        return str(text)


class DeadKindParam(_ParsedParam):
    """A kind of dead deliveries: a word of `DEAD_KINDS`, or an earlier word for it."""

    name = "kind"

    def parse(self, text: Any) -> str:
        return parse_dead_kind(text)


class TimeParam(_ParsedParam):
    """A time: a duration ago (`90s`, `1h`, `2d`, `1w`), a date, or ISO 8601; UTC by default."""

    name = "time"
    parsed = float

    def parse(self, text: Any) -> float:
        return parse_moment(text, time.time())
