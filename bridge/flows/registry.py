"""The flows of the local platform: the ready-made ones, and those of a flows.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.core.local_runs import READY_MADE, LocalFlow
from bridge.flows.function import FlowFunction
from bridge.flows.loader import load_flows
from bridge.flows.ready.catalog import READY_FLOWS


@dataclass(frozen=True, slots=True)
class FlowLibrary:
    """Flows by name, with their origin: see `LocalFlow.workbook`."""

    flows: Mapping[str, FlowFunction]
    workbook: str = READY_MADE  # of flows that are not ready-made

    def described(self) -> list[LocalFlow]:
        """Return the descriptions of all flows."""
        return [
            one.described(READY_MADE if READY_FLOWS.get(name) is one else self.workbook)
            for name, one in sorted(self.flows.items())
        ]


def load_library(path: str | None) -> FlowLibrary:
    """Run flows.py, if there is one, and return its flows and the ready-made ones.

    A flow in flows.py replaces a ready-made one with the same name. Raise FlowError, which names
    the invalid line. Call this only in processes that may die: the file can do anything.
    """
    if path is None:
        return FlowLibrary(READY_FLOWS)
    return FlowLibrary(READY_FLOWS | load_flows(path), Path(path).name)
