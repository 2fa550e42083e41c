"""The store as the local platform's HTTP API uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.core.local_runs import LocalFile, LocalFlow, LocalRun
from bridge.store.db.database import Database
from bridge.store.local import files, runs
from bridge.store.local import flows as local_flows


@dataclass(frozen=True, slots=True)
class LocalPlatformStore:
    """The local platform's flows, runs and files. Each call is its own durable transaction.

    `wake_workers` wakes the worker.
    """

    database: Database
    wake_workers: Callable[[], None]

    def start(self, run: LocalRun, cap: int | None = None) -> LocalRun:
        """Store a new run, or return the earlier one with its idempotency key.

        Raises `Full` if `cap` runs are unfinished.
        """
        started = self.database.write(lambda connection: runs.start(connection, run, cap))
        self.wake_workers()
        return started

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with this id."""
        with self.database.read() as connection:
            return runs.get(connection, run_id)

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""
        with self.database.read() as connection:
            return runs.find(connection, idempotency_key)

    def newest(
        self, flow_ids: Sequence[str], user_id: str, limit: int = 10
    ) -> dict[str, list[LocalRun]]:
        """Return the newest runs of each flow that the user started, newest first."""
        with self.database.read() as connection:
            return runs.newest(connection, flow_ids, user_id, limit)

    def kill(self, run_id: str, now: float) -> LocalRun | None:
        """End a queued run, or request the termination of a running one; return it, or None."""
        run = self.database.write(lambda connection: runs.kill(connection, run_id, now))
        self.wake_workers()
        return run

    def flow(self, flow_id: str) -> LocalFlow | None:
        """Return a flow."""
        with self.database.read() as connection:
            return local_flows.find(connection, flow_id)

    def flows(self) -> list[LocalFlow]:
        """Return all flows, by id."""
        with self.database.read() as connection:
            return local_flows.list_flows(connection)

    def keep_file(self, file: LocalFile) -> None:
        """Store a file whose blob exists; one with the same user, run and name is replaced."""
        self.database.write(lambda connection: files.store_file(connection, file))

    def file(self, user_id: str, name: str, run_id: str = "") -> LocalFile | None:
        """Return the file with this name, uploaded by the user or saved by the run."""
        with self.database.read() as connection:
            return files.find_file(connection, user_id, name, run_id)

    def uploaded(self, user_id: str) -> int:
        """Return the total size of a user's uploads in bytes."""
        with self.database.read() as connection:
            return files.uploaded_bytes(connection, user_id)
