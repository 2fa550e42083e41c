"""Runs the command line with some module constants changed: `launch.py
'{"bridge.web.server.incomplete_requests.BODY_TIME": 1}' serve`.

Of a table of records, rows can be changed: `{"bridge.monitoring.alerts.CONDITIONS": {"dead":
{"holds": 0.1}}}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from bridge.cli.main import main
from bridge.web import rate_limiter


def launch(constants: str, arguments: Sequence[str]) -> None:
    """Be the command; does not return."""
    rate_limiter.SALT = bytes(16)  # else by chance, now and then, two keys would share a limit
    for name, value in json.loads(constants).items():
        module, _, constant = name.rpartition(".")
        before = getattr(import_module(module), constant)  # an unknown one is an error
        after = changed(before, value)
        setattr(import_module(module), constant, after)
        # who has imported it has it by the same name
        for other in list(sys.modules.values()) if isinstance(before, float) else ():
            if (
                getattr(other, "__name__", "").startswith("bridge.")
                and vars(other).get(constant) is before
            ):
                setattr(other, constant, after)
    main(list(arguments))


def changed(old: Any, new: Any) -> Any:
    """Return the new value; of a table, with the rows of which nothing is said."""
    return (
        {**old, **{key: replace(old[key], **fields) for key, fields in new.items()}}
        if isinstance(old, dict)
        else new
    )


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2:])
