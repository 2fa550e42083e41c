"""The dependencies of the flow API: the stores of runs and files, the platform, credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun
from bridge.routing.model import Platform
from bridge.store.blobs import BlobStore
from bridge.web.receiving.body_reader import BodyReader

# bytes of bodies that a process reads at once; webhooks have a separate budget
MAX_API_BYTES_IN_FLIGHT = 48 * 1024 * 1024


class RunStore(Protocol):
    """The store of runs, flows and files. Raises `StoreError` if it cannot read or write."""

    def start(self, run: LocalRun, cap: int | None = None) -> LocalRun:
        """Store a new run durably, or return the earlier one with its idempotency key.

        Raises `Full` if `cap` runs have not ended yet.
        """

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with that id."""

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""

    def newest(
        self, flow_ids: Sequence[str], user_id: str, limit: int = 10
    ) -> dict[str, list[LocalRun]]:
        """Return the newest runs of each flow that the user started, newest first."""

    def kill(self, run_id: str, now: float) -> LocalRun | None:
        """End a queued run, or request the end of a running one; return it, None if unknown."""

    def flow(self, flow_id: str) -> LocalFlow | None:
        """Return a flow, None if there is none."""

    def flows(self) -> list[LocalFlow]:
        """Return all flows, by id."""

    def keep_file(self, file: LocalFile) -> None:
        """Store the record of a file whose blob exists; replace one of the same user, run, name."""

    def file(self, user_id: str, name: str, run_id: str = "") -> LocalFile | None:
        """Return the file of that name: uploaded by the user, or saved by the run."""

    def uploaded(self, user_id: str) -> int:
        """Return the total size of the files that the user has uploaded."""


@dataclass(frozen=True, slots=True)
class FlowApiContext:
    """The dependencies of the endpoints. `credentials`: the built-in API key and its user.

    `platform` returns the current local platform, None if there is none. `serves_console`: whether
    the client of a request, by its WSGI environment, reaches the console by the same socket.
    """

    runs: RunStore
    blobs: BlobStore
    platform: Callable[[], Platform | None]
    credentials: tuple[str, str]
    serves_console: Callable[[Mapping[str, Any]], bool]
    clock: Callable[[], float] = time.time
    intake: BodyReader = field(default_factory=lambda: BodyReader(MAX_API_BYTES_IN_FLIGHT))
