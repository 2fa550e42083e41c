"""The command line in this process, as tests call it."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from bridge.cli.main import group
from bridge.core.timings import TIMINGS, Timings
from bridge.system import logs


def run(*arguments: str, input: str | None = None, timings: Timings = TIMINGS) -> Result:
    """Run `flowbridge …` and return how it ended. Where it has set up the log of its process, the
    one that was is set up again.
    """
    before = logs.setup
    try:
        return CliRunner().invoke(group, list(arguments), input=input, obj=timings)
    finally:
        logs.setup = before


def lines(result: Result) -> list[Any]:
    """Return the JSON of each line of an answer that ended well."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]
