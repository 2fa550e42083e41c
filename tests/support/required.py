"""What a machine may lack: a test that needs it skips there, and fails where CI requires it."""

from __future__ import annotations

import os
from typing import Literal, NoReturn, get_args

import pytest

Need = Literal["BROWSER", "DEPLOY", "REDIS"]
#: Read once: tests remove settings of flowbridge from the environment.
REQUIRED = {name for name in get_args(Need) if os.environ.get(f"FLOWBRIDGE_REQUIRE_{name}")}


def skip(need: Need, why: str) -> NoReturn:
    """Skip a test, or fail it if FLOWBRIDGE_REQUIRE_<need> is set."""
    if need in REQUIRED:
        pytest.fail(f"FLOWBRIDGE_REQUIRE_{need} is set, but {why}")
    pytest.skip(why)
