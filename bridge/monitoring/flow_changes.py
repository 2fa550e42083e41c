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
    found = read_state(data / STATE_FILE, FlowChanges)
    return found if found is not None and isinstance(found.changes, dict) else None


def list_flow_changes(data: Path) -> Mapping[str, str]:
    """Return the stored changes by PLATFORM/FLOW, none where nothing is stored."""
    found = load_flow_changes(data)
    return {} if found is None else found.changes


def store_flow_changes(data: Path, found: FlowChanges) -> None:
    """Store a result. Raises `OSError` if it cannot be written."""
    write_state(data / STATE_FILE, found)


def is_check_due(known: FlowChanges | None, lock: str, now: float) -> bool:
    """Return whether it is time for the next check, which another flows.lock makes due at once."""
    return known is None or known.lock != lock or not 0 <= now - known.checked_at < CHECK_SECONDS
