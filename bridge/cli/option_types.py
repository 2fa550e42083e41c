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


class DurationParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A duration: `90s`, `15m`, `1h`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ExcerptParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A text to search for; where `raw`, the bytes of the argument, which may be no text."""

    name = "text"

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, bytes):
            return value
        try:
            return parse_raw_excerpt(value) if self._raw else parse_excerpt(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DeadKindParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A kind of dead deliveries: a word of `DEAD_KINDS`, or an earlier word for it."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_dead_kind(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TimeParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A time: a duration ago (`90s`, `1h`, `2d`, `1w`), a date, or ISO 8601; UTC by default."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_moment(value, time.time())
        except ValueError as error:
            self.fail(str(error), param, ctx)
