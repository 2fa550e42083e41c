"""Calls to a running bridge, and the hint for one that has no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.system.boot_clock import Deadline

if TYPE_CHECKING:
    from bridge.system.http_client import HttpClient


def call_bridge(sender: HttpClient, call: Call, seconds: float, prefix: str = "") -> Answer:
    """Make a call and return its answer; `BridgeError`, behind `prefix`, where none came."""
    answer = sender.send(call, Deadline.after(seconds))
    if isinstance(answer, NoAnswer):
        raise BridgeError(f"{prefix}{explain_lost(answer.reason)}")
    return answer


def explain_lost(reason: str) -> str:
    """Return why a call has no answer, with a hint where nothing listens at the address."""
    return (
        f"{reason} (is `{name_command('serve')}` running?)"
        if reason.endswith("the connection was refused")
        else reason
    )
