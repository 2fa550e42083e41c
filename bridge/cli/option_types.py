"""Types of options: lengths of time, moments, texts to search for, kinds of dead deliveries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from bridge.services.filter_values import (
    parse_dead_kind,
    parse_excerpt,
    parse_moment,
    parse_raw_excerpt,
    parse_span,
)

if TYPE_CHECKING:
    pass


class DurationParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A length of time: `90s`, `15m`, `1h`."""

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
    """A text that is sought, or, where `raw`, the bytes that the shell gave, be they text or
    not.
    """

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
    """What has to be fixed about a dead delivery: a word of `DEAD_KINDS`, or an earlier word for
    the same.
    """

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_dead_kind(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class TimeParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A time: so long ago (`90s`, `15m`, `1h`, `2d`, `1w`), a date, or ISO 8601; without a zone it
    is UTC.
    """

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
