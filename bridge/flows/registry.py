"""The flows of the local platform: the ready-made ones, and those of a flows.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.core.local_runs import LocalFlow
from bridge.flows.function import FlowFunction
from bridge.flows.loader import load_flows
from bridge.flows.ready.catalog import READY

READY_MADE = "ready-made"


@dataclass(frozen=True, slots=True)
class Library:
    """Flows by name, and where each comes from: see `LocalFlow.workbook`."""

    flows: Mapping[str, FlowFunction]
    workbook: str = READY_MADE  # of those that are not ready-made

    def described(self) -> list[LocalFlow]:
        """Return what is to be known of all of them."""
        return [
            one.described(READY_MADE if READY.get(name) is one else self.workbook)
            for name, one in sorted(self.flows.items())
        ]


def load_library(path: str | None) -> Library:
    """Run flows.py, if there is one, and return its flows with the ready-made ones, which give way
    to one of the same name.

    FlowError says which line is wrong. Only for processes that may be lost: the file can do
    anything.
    """
    if path is None:
        return Library(READY)
    return Library(READY | load_flows(path), Path(path).name)
