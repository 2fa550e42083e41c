"""Runs the command line with other durations, or sizes: `launch.py '{"lease_seconds": 5.0}' serve`.

What is changed is JSON: fields of `Timings`, which `main` is called with, and the `SIZES` below.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any

from bridge.cli.main import main
from bridge.core.rate_limits import Rate
from bridge.core.timings import Timings
from bridge.web.receiving import rate_limiter

#: Constants that are no durations, and that a test of whole processes needs otherwise.
SIZES = frozenset(
    {
        "bridge.monitoring.checks.machine.MIN_FREE_SHARE",  # a small disk is full long before
        "bridge.web.receiving.body_reader.IN_FLIGHT",  # the memory of many bodies
        "bridge.web.server.event_loop.worker.MAX_CONNECTIONS",  # 8,192 need as many descriptors
        "bridge.web.receiving.rate_limiter.CELLS",  # two keys share none by chance
        "bridge.web.admin.limits.READ_RATE",  # one session reads many pages
        "bridge.web.admin.limits.OPERATION_RATE",  # and one token does much at once
    }
)


def launch(changes: str, arguments: Sequence[str]) -> None:
    """Be the command; does not return."""
    rate_limiter.SALT = bytes(16)  # else by chance, now and then, two keys would share a limit
    given = json.loads(changes)
    for name in SIZES & given.keys():
        module, _, constant = name.rpartition(".")
        value = given.pop(name)
        setattr(
            import_module(module), constant, Rate(**value) if isinstance(value, dict) else value
        )
    main(list(arguments), timings_of(given))


def timings_of(given: dict[str, Any]) -> Timings:
    """Return the durations with these ones changed; an unknown name is an error."""
    known = {each.name for each in fields(Timings)}
    assert given.keys() <= known, f"no durations: {sorted(given.keys() - known)}"
    return Timings(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
    )


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2:])
