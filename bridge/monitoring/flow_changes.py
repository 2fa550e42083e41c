"""Flows whose inputs changed since flows.lock was written: the stored result of the daily check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridge.core.units import DAY
from bridge.system.state_file import read_state, write_state

STATE_FILE: Final = "flow_changes.json"
CHECK_SECONDS: Final = DAY  # from one check to the next


@dataclass(frozen=True, slots=True)
class FlowChanges:
    """The result of a check at `checked_at`: a sentence by PLATFORM/FLOW.

    `lock`: the digest of the flows.lock that was compared.
    """

    checked_at: float
    lock: str
    changes: Mapping[str, str] = field(default_factory=dict)


def load_flow_changes(data: Path) -> FlowChanges | None:
    """Return the stored result, None if there is none or it cannot be read."""
    result = read_state(data / STATE_FILE, FlowChanges)
    return result if result is not None and isinstance(result.changes, dict) else None


def list_flow_changes(data: Path) -> Mapping[str, str]:
    """Return the stored changes by PLATFORM/FLOW, none where nothing is stored."""
    result = load_flow_changes(data)
    return {} if result is None else result.changes


def store_flow_changes(data: Path, result: FlowChanges) -> None:
    """Store a result. Raises `OSError` if it cannot be written."""
    write_state(data / STATE_FILE, result)


def is_check_due(last_check: FlowChanges | None, lock: str, now: float) -> bool:
    """Return whether it is time for the next check, which another flows.lock makes due at once."""
    return (
        last_check is None
        or last_check.lock != lock
        or not 0 <= now - last_check.checked_at < CHECK_SECONDS
    )
