"""Flows for tests: echo, fail and sleep."""

from __future__ import annotations

import time
from typing import Final

from bridge.core.model import JSON
from bridge.flows.errors import FlowError
from bridge.flows.function import flow
from bridge.flows.ready.inputs import number

MAX_SLEEP_SECONDS: Final = 3600.0  # seconds


@flow(idempotent=True)
def echo(**inputs: JSON) -> dict[str, JSON]:
    """Returns its inputs as outputs."""
    return inputs


@flow
def fail(message: str = "failed, as asked") -> None:
    """Fails, with `message` in its log."""
    raise FlowError(str(message))


@flow(idempotent=True)
def sleep(seconds: float = 1.0) -> dict[str, JSON]:
    """Waits for `seconds` (at most 3600) and returns how long it waited."""
    wait = number("seconds", seconds, MAX_SLEEP_SECONDS)
    time.sleep(wait)
    return {"seconds": wait}
