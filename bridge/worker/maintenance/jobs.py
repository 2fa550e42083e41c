"""The maintenance jobs of a worker: short ones, alerts, numbers, operations, and the long ones,
which run one after the other in a thread of their own.

A new one is a row of `LONG_JOBS`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.trends import MINUTE_SECONDS, Series, step_of
from bridge.core.units import DAY
from bridge.monitoring import certificate, flow_changes
from bridge.monitoring.trend_writer import TrendWriter
from bridge.monitoring.trends import read_values
from bridge.routing.model import Config
from bridge.store.backup import age
from bridge.store.blobs import BlobStore
from bridge.store.db import vacuum
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database, Work
from bridge.store.inbound import blob_owners, daily_events, form_files
from bridge.store.inbound.daily_events import DailyCount
from bridge.store.inbound.removal import Counts
from bridge.store.operations import prune as prune_operation
from bridge.store.operations import trend_rows
from bridge.store.queries.status import read_waiting
from bridge.system.logs import get_logger
from bridge.worker.clock_skew import HostClocks
from bridge.worker.maintenance.alerts import AlertJob, expected_sources_job
from bridge.worker.maintenance.operations import OperationRunner
from bridge.worker.maintenance.scheduler import Scheduler, ShortJob, short_jobs

EVERY_SECONDS: Final = 60.0


class DailyEventsJob:
    """Counts the new events in a read of its own, so that no write waits for it."""

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock
        self._counts: Sequence[DailyCount] = ()

    def job(self) -> ShortJob:
        """Return the job for the scheduler."""
        return ShortJob("daily_events", EVERY_SECONDS, self.store, needed=self.count, quiet=True)

    def count(self, connection: Connection) -> bool:
        """Count the new events; return whether there are any."""
        self._counts = daily_events.find_new_counts(connection, self._clock())
        return bool(self._counts)

    def store(self, connection: Connection, _: float) -> int:
        """Store the counts, and return how many sources have a new one."""
        return daily_events.store_counts(connection, self._counts)


class TrendJobs:
    """Writes the growth of this machine's counters, and the values of the store, for each minute.

    Both jobs check at each beat whether a minute is over.
    """

    def __init__(self, data: Path, clock: DatabaseClock) -> None:
        self.writer = TrendWriter(data, clock)
        self._clock = clock
        self._values: Mapping[str, Series] = {}
        self._read_at = step_of(clock())
        self._minute = 0  # of the write under way

    def jobs(self) -> tuple[ShortJob, ...]:
        """Return the jobs for the scheduler."""
        return (
            ShortJob(
                "trend_counts",
                0.0,
                self.writer.write,
                needed=lambda _: self.writer.read(),
                at_start=True,
                quiet=True,
                everywhere=True,
                commit=self.writer.commit,
            ),
            ShortJob(
                "trend_values",
                0.0,
                self.store_values,
                needed=self.read_store,
                quiet=True,
                commit=self.commit,
            ),
        )

    def read_store(self, connection: Connection) -> bool:
        """Read the values of the store once a minute; return whether there are any."""
        now = self._clock()
        minute = step_of(now)
        if minute == self._read_at:
            return False
        self._values = read_values(read_waiting(connection), now)
        if any(self._values.values()):
            return True
        self._read_at = minute
        return False

    def store_values(self, connection: Connection, now: float) -> int:
        """Store the values of the store in the minute that is over."""
        self._minute = step_of(now)
        return trend_rows.add_highest(connection, self._minute - MINUTE_SECONDS, self._values)

    def commit(self) -> None:
        """Record that the values of a minute are on disk."""
        self._read_at = self._minute


def make_scheduler(
    settings: Settings,
    config: Callable[[], Config],
    database: Database,
    now: DatabaseClock,
    clocks: HostClocks,
    wake: Callable[[], None] = lambda: None,
) -> Scheduler:
    """Return the scheduler of all maintenance jobs, not started. `wake` wakes the worker."""
    alerts = AlertJob(settings, config, database, clocks.seconds_ahead)
    rows = (
        *short_jobs(settings.timings),
        expected_sources_job(config, settings.timings),
        alerts.job(),
        *TrendJobs(settings.data, now).jobs(),
        DailyEventsJob(now).job(),
    )
    threads = (
        LongJobs(settings, config, database, now),
        OperationRunner(settings, config, database, now, wake),
    )
    return Scheduler(database, now, settings.timings.heartbeat_seconds, rows, threads)


T = TypeVar("T")
log = get_logger()

REST_FACTOR: Final = 4.0  # the rest after a batch, in durations of the batch
FREE_SHARE_TO_SHRINK: Final = 0.5  # of the file: above it pages are given back
FREE_SHARE_TO_LEAVE: Final = 0.25  # where giving back ends
MIN_FREE_BYTES: Final = 64 * 1024 * 1024  # nothing is given back below it


@dataclass(frozen=True, slots=True)
class JobContext:
    """The arguments of a job. `over` is set when the job has to end at once."""

    settings: Settings
    config: Config
    database: Database
    now: float
    over: threading.Event

    def write_paced(self, work: Work[T]) -> T:
        """Write a batch in a durable transaction, then rest to let others write."""
        began = time.monotonic()
        done = self.database.write(work)
        least = self.settings.timings.job_rest_seconds
        self.over.wait(max(least, REST_FACTOR * (time.monotonic() - began)))
        return done


@dataclass(frozen=True, slots=True)
class LongJob:
    """A job that runs `every` so many seconds. `work` returns counts of its work, for the log.

    The leading worker runs it; with `everywhere` each worker does, once for its machine, so two may
    run it at once without harm.
    """

    name: str
    every: float
    work: Callable[[JobContext], Counter[str]]
    everywhere: bool = False


def prune(context: JobContext) -> Counter[str]:
    """Delete old rows, by `retention`."""
    gone: Counter[str] = Counter()

    def write(work: Work[Counts]) -> Counts | None:
        return None if context.over.is_set() else context.write_paced(work)

    for _, _, counts in prune_operation.prune(
        prune_operation.Pruning(context.database, context.config, context.now), write
    ):
        gone.update(counts)
    return gone


def sweep_blobs(context: JobContext) -> Counter[str]:
    """Delete blobs that no row refers to."""
    before = time.time() - context.settings.timings.orphan_blob_seconds
    count, size = BlobStore.of(context.settings).sweep(
        lambda: blob_owners.owned_digests(context.database), before
    )
    return Counter(blobs=count, bytes=size)


def shrink_database(context: JobContext) -> Counter[str]:
    """Give pages back to the disk where a large part of the file is free, and leave some."""
    freed_pages = 0
    if context.database.is_sqlite and _is_mostly_free(context.database, FREE_SHARE_TO_SHRINK):
        while (
            not context.over.is_set()
            and _is_mostly_free(context.database, FREE_SHARE_TO_LEAVE)
            and (gone := context.write_paced(vacuum.free_pages))
        ):
            freed_pages += gone
    return Counter(pages=freed_pages)


def _is_mostly_free(database: Database, part: float) -> bool:
    page_counts = vacuum.count_pages(database)
    return (
        page_counts.incremental
        and page_counts.free * page_counts.size > MIN_FREE_BYTES
        and page_counts.free > part * page_counts.count
    )


def back_up(context: JobContext) -> Counter[str]:
    """Make a backup where the last is old enough, and delete the oldest ones."""
    settings = context.settings
    if settings.backup_every is None or not age.is_due(settings.backups, settings.backup_every):
        return Counter()
    # imported here: a bridge without backups need not have it in memory
    from bridge.store.backup import archive, files

    with age.record_attempt(settings):
        manifest = files.create(
            context.database,
            settings.data,
            settings.backups / archive.backup_name(context.now),
            context.now,
            secret_key=settings.secret_key,
        )
    let_go = files.rotate(settings.backups, settings.backup_keep)
    return Counter(events=manifest.rows["event"], missing=len(manifest.missing), let_go=let_go)


def check_certificate(context: JobContext) -> Counter[str]:
    """Check until when the certificate of the public URL is valid, if no worker of this machine has
    checked it lately.
    """
    data = context.settings.data
    url = context.settings.public_url
    timings = context.settings.timings
    if not url.startswith("https://"):
        return Counter()
    last_check = certificate.load_certificate(data, url)
    if not certificate.is_check_due(last_check, time.time(), timings.certificate_check_seconds):
        return Counter()
    certificate.store_certificate(
        data, certificate.check_certificate(url, timings.certificate_step_seconds)
    )
    return Counter(looked=1)


def check_flow_inputs(context: JobContext) -> Counter[str]:
    """Compare the inputs of flows with flows.lock once a day, where there is one.

    A flow that could not be asked keeps its earlier result.
    """
    folder = context.settings.config.parent
    data = context.settings.data
    last_check = flow_changes.load_flow_changes(data)
    # imported here: a worker needs them once a day, and a bridge without flows.lock not at all
    from bridge.services.platforms.flow_lock import find_changes, lock_digest, read_lock

    locked = read_lock(folder)
    if locked is None:
        if last_check is not None and last_check.changes:
            flow_changes.store_flow_changes(data, flow_changes.FlowChanges(time.time(), ""))
        return Counter()
    from bridge.services.config_checks.live_flows import ask_flows
    from bridge.services.platforms.open_circuits import explain_open_circuits

    digest = lock_digest(locked)
    if not flow_changes.is_check_due(last_check, digest, time.time()):
        return Counter()
    refused = explain_open_circuits(context.database, time.time())
    flows = ask_flows(context.config, refused).values()
    earlier = last_check.changes if last_check is not None and last_check.lock == digest else {}
    unasked = {
        flow.name: earlier[flow.name] for flow in flows if flow.unasked and flow.name in earlier
    }
    changes = find_changes(locked, flows) | unasked
    new_check = flow_changes.FlowChanges(time.time(), digest, changes)
    flow_changes.store_flow_changes(data, new_check)
    return Counter(changed=len(changes))


def delete_trial_results(context: JobContext) -> Counter[str]:
    """Delete the results of trials that are too old, on this machine."""
    # imported here: a worker needs it only now and then
    from bridge.services.trials.results import TrialFolder

    results = TrialFolder(context.settings.data, context.database.sealer)
    before = time.time() - context.settings.timings.trial_result_seconds
    return Counter(deleted=results.prune(before))


def recount_files(context: JobContext) -> Counter[str]:
    """Recount the bytes of each form's files."""
    return form_files.recount(context.database)


LONG_JOBS: Final = (
    LongJob("prune", 3600.0, prune),
    LongJob("sweep", 6 * 3600.0, sweep_blobs, everywhere=True),
    LongJob("shrink", 3600.0, shrink_database),
    LongJob("count_files", DAY, recount_files),
    LongJob("backup", 600.0, back_up),  # how often it checks whether one is due
    LongJob("certificate", 600.0, check_certificate, everywhere=True),  # the same
    LongJob("flow_inputs", 600.0, check_flow_inputs, everywhere=True),  # the same
    LongJob("trials", 600.0, delete_trial_results, everywhere=True),
)


class LongJobs:
    """Runs long jobs when they are due."""

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        clock: DatabaseClock,
        jobs: Sequence[LongJob] = LONG_JOBS,
    ) -> None:
        self._settings = settings
        self._config = config
        self._database = database
        self._clock = clock
        self._jobs = jobs
        self._over = threading.Event()
        begin = time.monotonic() + settings.timings.first_job_delay_seconds
        self._next = {job.name: begin for job in jobs}
        self._thread: threading.Thread | None = None

    def start_due(self, leads: Callable[[], bool]) -> None:
        """Start the first due job, unless one is running. `leads` is called where that matters."""
        if self._thread is not None and self._thread.is_alive():
            return
        due = (job for job in self._jobs if self._next[job.name] <= time.monotonic())
        job = next((job for job in due if job.everywhere or leads()), None)
        if job is not None:
            thread = threading.Thread(target=self._run, args=(job,), name=job.name, daemon=True)
            thread.start()
            self._thread = thread
            self._next[job.name] = time.monotonic() + job.every

    def _run(self, job: LongJob) -> None:
        try:
            done = +job.work(
                JobContext(
                    self._settings, self._config(), self._database, self._clock(), self._over
                )
            )
        except (BridgeError, OSError) as error:
            log.error("maintenance_failed", job=job.name, error=str(error))
        except Exception as fault:
            log.error("maintenance_failed", job=job.name, exc_info=fault)
        else:
            if done:
                log.info("maintenance_done", job=job.name, done=dict(done))

    def end(self) -> None:
        """Ask the running job to end soon."""
        self._over.set()

    def close(self) -> None:
        """Ask the running job to end, and wait some seconds for it."""
        self.end()
        if self._thread is not None:
            self._thread.join(5.0)
