"""Numbers as options, within bounds that only errors state."""

from __future__ import annotations

from typing import Any

import click


class BoundedNumber(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A number from `least` to `greatest`, both allowed; an integer unless `decimal`."""

    name = "number"

    def __init__(
        self, least: float, greatest: float | None = None, *, decimal: bool = False
    ) -> None:
        self._least = least
        self._most = greatest
        self._type = click.FLOAT if decimal else click.INT

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = self._type.convert(value, param, ctx)
        if number < self._least or (self._most is not None and number > self._most):
            allowed = (
                f"at least {self._least:g}"
                if self._most is None
                else f"from {self._least:g} to {self._most:g}"
            )
            self.fail(f"{value} is not allowed: a number {allowed}", param, ctx)
        return number
