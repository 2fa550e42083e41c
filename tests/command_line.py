"""The command line in this process, as tests call it."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from bridge.cli import group


def run(*arguments: str, input: str | None = None) -> Result:
    """Run `flowbridge …` and return how it ended."""
    return CliRunner().invoke(group, list(arguments), input=input)


def lines(result: Result) -> list[Any]:
    """Return the JSON of each line of an answer that ended well."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]
