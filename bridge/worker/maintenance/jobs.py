"""What takes long and is to be done now and then: in a thread of its own, one after the other. A
new errand is a row of `ERRANDS`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.retention import DAY
from bridge.monitoring import certificate
from bridge.routing.model import Config
from bridge.store.backup import age
from bridge.store.blobs import Blobs
from bridge.store.db import vacuum
from bridge.store.db.clock import Clock
from bridge.store.db.database import Database, Work
from bridge.store.inbound import blob_owners, form_files
from bridge.store.inbound.removal import Counts
from bridge.store.operations import prune as prune_operation
from bridge.system.logs import get_logger

T = TypeVar("T")
log = get_logger()

REST_FACTOR: Final = 4.0  # so many times as long as a batch took nothing is done after it
FREE_SHARE_TO_SHRINK: Final = 0.5  # part of the file that is free: then some is given back
FREE_SHARE_TO_LEAVE: Final = 0.25  # until so much is left
MIN_FREE_BYTES: Final = 64 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class JobContext:
    """What an errand works with. `over` is set when it is to end at once."""

    settings: Settings
    config: Config
    database: Database
    now: float
    over: threading.Event

    def paced(self, work: Work[T]) -> T:
        """Do a little in a durable transaction, then let others do more."""
        began = time.monotonic()
        done = self.database.write(work)
        least = self.settings.timings.job_rest_seconds
        self.over.wait(max(least, REST_FACTOR * (time.monotonic() - began)))
        return done


@dataclass(frozen=True, slots=True)
class LongJob:
    """Something that is done `every` so many seconds; `work` returns what it did, by name, for the
    log.

    Whoever leads does it, or where it is for each machine (`everywhere`) each worker: it must do no
    harm where two do it at once.
    """

    name: str
    every: float
    work: Callable[[JobContext], Counter[str]]
    everywhere: bool = False


def prune(of: JobContext) -> Counter[str]:
    """Let go of what is old."""
    gone: Counter[str] = Counter()

    def write(work: Work[Counts]) -> Counts | None:
        return None if of.over.is_set() else of.paced(work)

    for _, _, counts in prune_operation.prune(
        prune_operation.Pruning(of.database, of.config, of.now), write
    ):
        gone.update(counts)
    return gone


def sweep_blobs(of: JobContext) -> Counter[str]:
    """Delete the bytes of files that nobody owns."""
    before = time.time() - of.settings.timings.orphan_blob_seconds
    count, size = Blobs.of(of.settings).sweep(lambda: blob_owners.owned(of.database), before)
    return Counter(blobs=count, bytes=size)


def shrink_database(of: JobContext) -> Counter[str]:
    """Give pages back to the disk where a large part of the file is free, and leave some for what
    comes in.
    """
    given = 0
    if of.database.is_sqlite and _is_mostly_free(of.database, FREE_SHARE_TO_SHRINK):
        while (
            not of.over.is_set()
            and _is_mostly_free(of.database, FREE_SHARE_TO_LEAVE)
            and (gone := of.paced(vacuum.step))
        ):
            given += gone
    return Counter(pages=given)


def _is_mostly_free(database: Database, part: float) -> bool:
    known = vacuum.pages(database)
    return (
        known.incremental
        and known.free * known.size > MIN_FREE_BYTES
        and known.free > part * known.count
    )


def back_up(of: JobContext) -> Counter[str]:
    """Make a backup where the last is old enough, and let go of the oldest."""
    settings = of.settings
    if settings.backup_every is None or not age.is_due(settings.backups, settings.backup_every):
        return Counter()
    # who makes none by itself, need not have it in memory
    from bridge.store.backup import archive, files

    with age.trying(settings):
        manifest = files.make(
            of.database, settings.data, settings.backups / archive.name_of(of.now), of.now
        )
    let_go = files.rotate(settings.backups, settings.backup_keep)
    return Counter(events=manifest.rows["event"], missing=len(manifest.missing), let_go=let_go)


def check_certificate(of: JobContext) -> Counter[str]:
    """See how long the certificate of the public URL lasts, where nobody on this machine has seen
    it for a while.
    """
    data = of.settings.data
    url = of.settings.public_url
    timings = of.settings.timings
    if not url.startswith("https://"):
        return Counter()
    known = certificate.kept(data, url)
    if not certificate.is_due(known, time.time(), timings.certificate_check_seconds):
        return Counter()
    certificate.keep(data, certificate.look(url, timings.certificate_step_seconds))
    return Counter(looked=1)


def recount_files(of: JobContext) -> Counter[str]:
    """Put right what the files of each form come to."""
    return form_files.recount(of.database)


LONG_JOBS: Final = (
    LongJob("prune", 3600.0, prune),
    LongJob("sweep", 6 * 3600.0, sweep_blobs, everywhere=True),
    LongJob("shrink", 3600.0, shrink_database),
    LongJob("count_files", DAY, recount_files),
    LongJob("backup", 600.0, back_up),  # looks so often whether it is time
    LongJob("certificate", 600.0, check_certificate, everywhere=True),  # so does this
)


class LongJobs:
    """Runs errands when they are due."""

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        database: Database,
        clock: Clock,
        errands: Sequence[LongJob] = LONG_JOBS,
    ) -> None:
        self._settings = settings
        self._config = config
        self._database = database
        self._clock = clock
        self._errands = errands
        self._over = threading.Event()
        begin = time.monotonic() + settings.timings.first_job_delay_seconds
        self._next = {errand.name: begin for errand in errands}
        self._thread: threading.Thread | None = None

    def look(self, leads: Callable[[], bool]) -> None:
        """Begin what is due, unless one is still under way. `leads` is asked where that matters."""
        if self._thread is not None and self._thread.is_alive():
            return
        due = (errand for errand in self._errands if self._next[errand.name] <= time.monotonic())
        errand = next((errand for errand in due if errand.everywhere or leads()), None)
        if errand is not None:
            self._next[errand.name] = time.monotonic() + errand.every
            self._thread = threading.Thread(
                target=self._run, args=(errand,), name=errand.name, daemon=True
            )
            self._thread.start()

    def _run(self, errand: LongJob) -> None:
        try:
            done = +errand.work(
                JobContext(
                    self._settings, self._config(), self._database, self._clock(), self._over
                )
            )
        except (BridgeError, OSError) as error:
            log.error("errand_failed", errand=errand.name, error=str(error))
        except Exception as fault:
            log.error("errand_failed", errand=errand.name, exc_info=fault)
        else:
            if done:
                log.info("errand", errand=errand.name, done=dict(done))

    def end(self) -> None:
        """Have what is under way end soon."""
        self._over.set()

    def close(self) -> None:
        """Have what is under way end, and wait a little for it."""
        self.end()
        if self._thread is not None:
            self._thread.join(5.0)
