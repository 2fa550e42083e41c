"""Scheduler of the maintenance jobs. Most are run by one of all workers: the one that leads.

A new short job is a row of `short_jobs`; a job that takes long is a row of `jobs.LONG_JOBS`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import Connection

from bridge.core.errors import BridgeError
from bridge.core.timings import Timings
from bridge.store import clock_steps
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.db.leader import Leadership
from bridge.store.inbound import submissions
from bridge.store.local import runs
from bridge.store.queue import heartbeats, ordering
from bridge.system.logs import get_logger

log = get_logger()


# by which a check may be late before the process counts as suspended
STALL_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ShortJob:
    """A job that runs `every` so many seconds in a transaction of its own. `work` gets the time and
    returns how much it did.

    `needed` checks whether there is anything to do, outside of the transaction: others may write
    meanwhile. `at_start`: each worker also runs it once when it starts, so two may run it at once
    without harm. `quiet`: work that was done is normal and not logged. `patience`: seconds in which
    it does not run after this process was suspended, since others may have been suspended with it:
    the machine slept, or the clock was set. `everywhere`: each worker runs it, not only the one
    that leads. `commit` is called once the work is on disk.
    """

    name: str
    every: float
    work: Callable[[Connection, float], int]
    needed: Callable[[Connection], bool] | None = None
    at_start: bool = False
    quiet: bool = False
    patience: float = 0.0
    everywhere: bool = False
    commit: Callable[[], None] = lambda: None


def abandon_runs(connection: Connection, now: float) -> int:
    """Settle local runs whose worker died, and return how many.

    None are settled where a step of the clock may have made their leases run out.
    """
    return (
        len(runs.abandon_running(connection, now)) if clock_steps.is_settled(connection, now) else 0
    )


def short_jobs(timings: Timings) -> tuple[ShortJob, ...]:
    """Return the short maintenance jobs of the store."""
    return (
        ShortJob(
            "abandoned_runs", 0.0, abandon_runs, patience=timings.lease_seconds
        ),  # at every check
        ShortJob(
            "blocked_keys",
            60.0,
            lambda connection, now: len(ordering.repair_queues(connection, now)),
            at_start=True,
            needed=lambda connection: bool(ordering.find_headless(connection)),
        ),
        ShortJob("dead_workers", 3600.0, heartbeats.forget),
        ShortJob(
            "form_submissions",
            60.0,
            submissions.delete_expired,
            needed=submissions.has_rows,
            quiet=True,
        ),
    )


class JobThread(Protocol):
    """Jobs that take long, in a thread of their own."""

    def start_due(self, leads: Callable[[], bool], /) -> None:
        """Start the jobs that are due and do not run yet.

        `leads` returns whether this worker leads.
        """

    def end(self) -> None:
        """Ask the thread to end soon."""

    def close(self) -> None:
        """Ask the thread to end, and wait some seconds for it."""


class Scheduler:
    """Runs jobs in a thread of its own, so that a long one delays no delivery.

    It checks every `beat` seconds which are due.
    """

    def __init__(
        self,
        database: Database,
        clock: DatabaseClock,
        beat: float,
        jobs: Sequence[ShortJob],
        threads: Sequence[JobThread] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._beat = beat
        self._jobs = jobs
        self._threads = threads
        self._leadership = Leadership(database)
        self._next = dict.fromkeys((job.name for job in jobs), 0.0)
        self._checked_at = self._clock()
        self._suspended_at = 0.0  # when it was suspended
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Start no more jobs, and ask the running one to end soon."""
        self._over.set()
        for thread in self._threads:
            thread.end()

    def close(self) -> None:
        """Wait some seconds for the running job, and give up the lead."""
        self.end()
        for thread in self._threads:
            thread.close()
        self._thread.join(5.0)

    def _run(self) -> None:
        for job in self._jobs:
            if job.at_start:
                self._do(job, self._database.write)
        while not self._over.wait(self._beat):
            try:
                self.run_due()
            except Exception as fault:  # a thread that cannot start, for example
                log.error("maintenance_failed", exc_info=fault)
        self._leadership.release()

    def run_due(self) -> None:
        """Run the due jobs, where no other worker leads."""
        now = self._clock()
        before = self._checked_at
        self._checked_at = now
        if not 0 <= now - before < self._beat + STALL_SECONDS:
            self._suspended_at = now
        due = [
            job
            for job in self._jobs
            if self._next[job.name] <= time.monotonic() and now - self._suspended_at >= job.patience
        ]
        leads = self._leads()
        for job in due:
            within = self._database.write if job.everywhere else self._leadership.run_as_leader
            if (leads or job.everywhere) and self._do(job, within):
                self._next[job.name] = time.monotonic() + job.every
        for thread in self._threads:
            thread.start_due(self._leads)

    def _leads(self) -> bool:
        try:
            return self._leadership.run_as_leader(lambda _: 0) is not None
        except BridgeError as error:
            log.error("store_failed", error=str(error))
            return False

    def _do(
        self, job: ShortJob, within: Callable[[Callable[[Connection], int]], int | None]
    ) -> bool:
        """Run a job, and return whether it counts as done."""
        try:
            if not self._is_needed(job):
                return True
            done = within(lambda connection: job.work(connection, self._clock()))
            if done is not None:
                job.commit()
        except BridgeError as error:
            log.error("maintenance_failed", job=job.name, error=str(error))
            return False
        except Exception as fault:
            log.error("maintenance_failed", job=job.name, exc_info=fault)
            return True  # so that it is not repeated at every check
        if done and not job.quiet:
            log.warning("maintenance_done", job=job.name, done=done)
        return done is not None

    def _is_needed(self, job: ShortJob) -> bool:
        if job.needed is None:
            return True
        with self._database.read() as connection:
            return job.needed(connection)
