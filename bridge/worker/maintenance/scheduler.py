"""What is to be done now and then, by one of all workers: whoever leads. A new chore is a row of
`chores`; what takes long is an errand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from bridge.core.errors import BridgeError
from bridge.core.timings import Timings
from bridge.store import clock_steps
from bridge.store.db.clock import Clock
from bridge.store.db.database import Database
from bridge.store.db.leader import Leadership
from bridge.store.inbound import submissions
from bridge.store.local import runs
from bridge.store.queue import heartbeats, ordering
from bridge.system.logs import get_logger
from bridge.worker.maintenance.jobs import LongJobs

log = get_logger()


# seconds by which a look may be late before it is taken that the process stood still
STALL_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class ShortJob:
    """Something to be done `every` so many seconds, in a transaction of its own; `work` gets the
    time and returns how much was done.

    `needed` looks whether there is anything to do, for what takes long to find out: others may
    write meanwhile. `at_start`: each worker also does it once when it starts, whoever leads, so it
    must do no harm where two do it at once. `quiet`: that something was done is as it should be,
    and not said. `patience`: seconds in which it is left alone after this process stood still,
    since others may have stood still with it: a machine that was suspended, a clock that was set.
    """

    name: str
    every: float
    work: Callable[[Connection, float], int]
    needed: Callable[[Connection], bool] | None = None
    at_start: bool = False
    quiet: bool = False
    patience: float = 0.0


def abandon_runs(connection: Connection, now: float) -> int:
    """Settle local runs whose worker died, unless a step of the clock made their leases run out;
    return how many.
    """
    return (
        len(runs.abandon_running(connection, now)) if clock_steps.is_settled(connection, now) else 0
    )


def short_jobs(timings: Timings) -> tuple[ShortJob, ...]:
    """Return the short maintenance jobs of the store."""
    return (
        ShortJob(
            "abandoned_runs", 0.0, abandon_runs, patience=timings.lease_seconds
        ),  # at every look
        ShortJob(
            "headless_lines",
            60.0,
            lambda connection, now: len(ordering.mend(connection, now)),
            at_start=True,
            needed=lambda connection: bool(ordering.headless(connection)),
        ),
        ShortJob("dead_workers", 3600.0, heartbeats.forget),
        ShortJob(
            "forms_remembered", 60.0, submissions.sweep, needed=submissions.is_any, quiet=True
        ),
    )


class Scheduler:
    """Does the chores in a thread of its own, so that a long one holds up no delivery. It looks
    every `beat` seconds.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        beat: float,
        chores: Sequence[ShortJob],
        errands: LongJobs | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._beat = beat
        self._chores = chores
        self._errands = errands
        self._leadership = Leadership(database)
        self._next = dict.fromkeys((chore.name for chore in chores), 0.0)
        self._looked_at = self._clock()
        self._still_at = 0.0  # when it had stood still
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing any more, and have what is under way end soon."""
        self._over.set()
        if self._errands is not None:
            self._errands.end()

    def close(self) -> None:
        """Wait a little for what is under way, and let another lead."""
        self.end()
        if self._errands is not None:
            self._errands.close()
        self._thread.join(5.0)

    def _run(self) -> None:
        for chore in self._chores:
            if chore.at_start:
                self._do(chore, self._database.write)
        while not self._over.wait(self._beat):
            self.look()
        self._leadership.give_up()

    def look(self) -> None:
        """Do what is due, where nobody else leads."""
        now = self._clock()
        before = self._looked_at
        self._looked_at = now
        if not 0 <= now - before < self._beat + STALL_SECONDS:
            self._still_at = now
        due = [
            each
            for each in self._chores
            if self._next[each.name] <= time.monotonic() and now - self._still_at >= each.patience
        ]
        for chore in due if self._leads() else ():
            if self._do(chore, self._leadership.do):
                self._next[chore.name] = time.monotonic() + chore.every
        if self._errands is not None:
            self._errands.look(self._leads)

    def _leads(self) -> bool:
        try:
            return self._leadership.do(lambda _: 0) is not None
        except BridgeError as error:
            log.error("store_failed", error=str(error))
            return False

    def _do(
        self, chore: ShortJob, within: Callable[[Callable[[Connection], int]], int | None]
    ) -> bool:
        """Tell whether it was done."""
        try:
            if not self._is_needed(chore):
                return True
            done = within(lambda connection: chore.work(connection, self._clock()))
        except BridgeError as error:
            log.error("chore_failed", chore=chore.name, error=str(error))
            return False
        except Exception as fault:
            log.error("chore_failed", chore=chore.name, exc_info=fault)
            return True  # not again and again
        if done and not chore.quiet:
            log.warning("chore", chore=chore.name, done=done)
        return done is not None

    def _is_needed(self, chore: ShortJob) -> bool:
        if chore.needed is None:
            return True
        with self._database.read() as connection:
            return chore.needed(connection)
