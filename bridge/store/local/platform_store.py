"""The store as the local platform's HTTP API uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun
from bridge.store.db.database import Database
from bridge.store.local import files, runs
from bridge.store.local import flows as local_flows


@dataclass(frozen=True, slots=True)
class Runs:
    """What the local platform's HTTP needs of the store: each call is its own durable transaction.
    `ring` wakes the worker.
    """

    database: Database
    ring: Callable[[], None]

    def start(self, run: LocalRun, cap: int | None = None) -> LocalRun:
        """Keep a new run, or return the earlier one that has its idempotency key. `Full` where
        `cap` runs are not over yet.
        """
        kept = self.database.write(lambda connection: runs.start(connection, run, cap))
        self.ring()
        return kept

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with that id."""
        with self.database.read() as connection:
            return runs.get(connection, run_id)

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""
        with self.database.read() as connection:
            return runs.find(connection, idempotency_key)

    def newest(
        self, flow_ids: Sequence[str], user_id: str, most: int = 10
    ) -> dict[str, list[LocalRun]]:
        """Return the newest runs of each flow that the user started, newest first."""
        with self.database.read() as connection:
            return runs.newest(connection, flow_ids, user_id, most)

    def kill(self, run_id: str, now: float) -> LocalRun | None:
        """End a queued run at once, ask for the end of a running one; return it as it is then, None
        where there is none.
        """
        run = self.database.write(lambda connection: runs.kill(connection, run_id, now))
        self.ring()
        return run

    def flow(self, flow_id: str) -> LocalFlow | None:
        """Return what is known of a flow."""
        with self.database.read() as connection:
            return local_flows.find(connection, flow_id)

    def flows(self) -> list[LocalFlow]:
        """Return what is known of all flows, by id."""
        with self.database.read() as connection:
            return local_flows.listed(connection)

    def keep_file(self, file: LocalFile) -> None:
        """Keep what is known of a file whose blob is there; one of the same user, run and name is
        replaced.
        """
        self.database.write(lambda connection: files.keep_file(connection, file))

    def file(self, user_id: str, name: str, run_id: str = "") -> LocalFile | None:
        """Return the file of that name: uploaded by the user, or kept by the run."""
        with self.database.read() as connection:
            return files.file(connection, user_id, name, run_id)

    def uploaded(self, user_id: str) -> int:
        """Return how many bytes the files have that the user has uploaded."""
        with self.database.read() as connection:
            return files.uploaded_bytes(connection, user_id)
