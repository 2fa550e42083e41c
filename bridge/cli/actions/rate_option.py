"""The option that limits the rate of an operation: `--rate 50/s`."""

from __future__ import annotations

from typing import Any

import click

from bridge.services.operations.pacing import parse_rate


class RateParam(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A rate in the syntax of routes.yaml, returned as its text: `50/s`, `600/min`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_rate(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


RATE = click.option(
    "--rate",
    type=RateParam(),
    metavar="RATE",
    help="At most this rate, such as 50/s or 600/min. Default: no limit.",
)
