"""The protocol between the commands on flows and a bridge: its platforms here, or its admin API.

Both ways return the JSON of the admin API. Commands print from that only, so that both print the
same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bridge.core.model import JSON
    from bridge.services.run_waiting import RunPoll


@dataclass(frozen=True, slots=True)
class StartedFlow:
    """The outcome of a start by hand. `shape`: as `flows run --json` without a report of the run.

    `notes`: sentences on inputs that look misspelt. `hint`: what to say where the platform has no
    such flow, with its flows; else empty.
    """

    shape: Mapping[str, JSON]
    notes: Sequence[str]
    hint: str


class FlowAccess(Protocol):
    """Reads and starts the flows of a bridge.

    FLOW is a name under `flows` of routes.yaml, or PLATFORM/FLOW. An unknown name is an
    `InvalidRequest`; a platform that refuses, or that has no such feature, a `BridgeError`.
    """

    def list_flows(self, platform: str | None) -> Mapping[str, JSON]:
        """Return `items`, whether they are `complete`, and the `problems` of those that failed."""

    def list_inputs(self, flow: str) -> Sequence[Mapping[str, JSON]]:
        """Return the inputs of a flow."""

    def list_runs(self, flow: str) -> tuple[Sequence[Mapping[str, JSON]], str]:
        """Return the newest runs of a flow, and a hint if there is no such flow; else empty."""

    def check_runs(self, flow: str) -> None:
        """Raise an error where the platform of a flow has no runs to wait for."""

    def start_run(self, flow: str, inputs: Mapping[str, JSON]) -> StartedFlow:
        """Start a flow, and record that."""

    def find_run(self, name: str) -> tuple[str, str]:
        """Return the platform and the id of a run: PLATFORM/RUN, or the id of the only platform."""

    def kill_run(self, platform: str, run_id: str) -> Mapping[str, JSON]:
        """Ask a platform to end a run, and record that."""

    def poll_run(self, platform: str, run_id: str) -> RunPoll:
        """Return how to poll a run."""
