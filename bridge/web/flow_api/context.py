"""What the flow API is served from: where runs and files are kept, and whom it is served to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun
from bridge.routing.model import Platform
from bridge.store.blobs import Blobs
from bridge.web.body_reader import Intake

# bytes of bodies being read at once in a process; webhooks have a budget of their own
IN_FLIGHT = 48 * 1024 * 1024


class Runs(Protocol):
    """Where runs, and what is known of flows and files, are kept. What it cannot keep or read is a
    StoreError.
    """

    def start(self, run: LocalRun, cap: int | None = None) -> LocalRun:
        """Keep a new run durably, or return the earlier one that has its idempotency key. `Full`
        where `cap` runs are not over yet.
        """

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with that id."""

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""

    def newest(
        self, flow_ids: Sequence[str], user_id: str, most: int = 10
    ) -> dict[str, list[LocalRun]]:
        """Return the newest runs of each flow that the user started, newest first."""

    def kill(self, run_id: str, now: float) -> LocalRun | None:
        """End a queued run at once, ask for the end of a running one; return it as it is then, None
        where there is none.
        """

    def flow(self, flow_id: str) -> LocalFlow | None:
        """Return what is known of a flow."""

    def flows(self) -> list[LocalFlow]:
        """Return what is known of all flows, by id."""

    def keep_file(self, file: LocalFile) -> None:
        """Keep what is known of a file whose blob is there; one of the same user, run and name is
        replaced.
        """

    def file(self, user_id: str, name: str, run_id: str = "") -> LocalFile | None:
        """Return the file of that name: uploaded by the user, or kept by the run."""

    def uploaded(self, user_id: str) -> int:
        """Return how many bytes the files have that the user has uploaded."""


@dataclass(frozen=True, slots=True)
class Served:
    """`credentials` are the built-in API key and its user; `platform` is the local one of the
    moment, null where there is none.
    """

    runs: Runs
    blobs: Blobs
    platform: Callable[[], Platform | None]
    credentials: tuple[str, str]
    clock: Callable[[], float] = time.time
    intake: Intake = field(default_factory=lambda: Intake(IN_FLIGHT))
