"""The clients and caches of a receiver process, created on first use, after the fork.

A refused submission of a form costs the receiver an addition: the counts are stored at most once a
second, and those of the last second are lost when the process ends. Of requests that failed
verification few and bounded copies are recorded, for diagnosis; recording never delays or changes
the answer.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final

from bridge.core.errors import StoreError
from bridge.core.http_messages import Request
from bridge.core.model import Reject
from bridge.core.rate_limits import Rate, hour_of
from bridge.core.timings import TIMINGS, Timings
from bridge.ingest.forms.attachments import KeepFile
from bridge.ingest.forms.spam.check import SpamCheck
from bridge.ingest.ports import disk_full
from bridge.ingest.rejects import build_reject
from bridge.monitoring.tracing import exporter
from bridge.monitoring.tracing.exporter import Tracer
from bridge.routing.model import Source
from bridge.store.blobs import BlobStore
from bridge.store.encryption import Sealer, sealer_for_secrets
from bridge.store.inbound import refused_submissions
from bridge.store.inbound.refused_submissions import Counts
from bridge.system.ids import reject_id
from bridge.system.key_fetcher import Keyring
from bridge.system.logs import get_logger
from bridge.web.app_context import AppContext
from bridge.web.client_ip import find_network
from bridge.web.receiving.captcha_client import CaptchaClient
from bridge.web.receiving.event_storage import EventStorage
from bridge.web.receiving.learned_secrets import SecretEnrolment
from bridge.web.receiving.rate_limiter import RateLimiter


def make_file_storer(blobs: BlobStore) -> KeepFile:
    """Return a function that stores the bytes of a file.

    It raises `Refused` if the disk is nearly full, `StoreError` if they cannot be stored.
    """

    def keep(content: memoryview) -> str:
        try:
            if not blobs.has_room(len(content)):
                raise disk_full()
            return blobs.store(content)
        except OSError as error:
            raise StoreError(f"a file could not be stored: {error.strerror}") from error

    return keep


#: Sources, hours and codes that are counted at once; beyond them no new key is counted.
MAX_KEYS: Final = 1000


class RefusalCounter:
    """Counts of refused submissions that are not stored yet. Thread-safe.

    It starts no thread before the first refusal, so it may be created before a fork.
    """

    def __init__(
        self,
        store: Callable[[Counts], None],
        is_full: Callable[[], bool] = lambda: False,
        timings: Timings = TIMINGS,
    ) -> None:
        """Create the counter.

        `store` adds counts to the stored ones; `is_full`: the disk has no room for them now.
        """
        self._store = store
        self._is_full = is_full
        self._timings = timings
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._timer: threading.Timer | None = None
        self._mutex = threading.Lock()

    def add(self, source: str, code: str, now: float) -> None:
        """Count one refused submission."""
        key = (source, hour_of(now), code)
        with self._mutex:
            if key in self._counts or len(self._counts) < MAX_KEYS:
                self._counts[key] += 1
            self._plan(self._timings.refusals_write_seconds)

    def write(self) -> None:
        """Write the counts to the store. If that fails they stay in memory for the next try."""
        with self._mutex:
            self._timer = None
            counts = self._counts
            self._counts = Counter()
        if not counts:
            return
        try:
            if self._is_full():
                raise StoreError("the disk is nearly full")
            self._store(counts)
        except StoreError:
            with self._mutex:
                for key, count in counts.items():
                    if key in self._counts or len(self._counts) < MAX_KEYS:
                        self._counts[key] += count
                self._plan(self._timings.refusals_retry_seconds)

    def _plan(self, seconds: float) -> None:
        """Schedule the write, unless it is scheduled already."""
        if self._timer is None:
            self._timer = threading.Timer(seconds, self.write)
            self._timer.daemon = True
            self._timer.start()


log = get_logger()
RECORD_RATE = Rate(count=30, per=60.0)  # copies of one source: a flood fills no disk


@dataclass(frozen=True, slots=True)
class RejectRecorder:
    """Stores rejects, up to a number per minute of each source."""

    keep: Callable[[Reject], None]
    limiter: RateLimiter
    is_full: Callable[[], bool] = lambda: False  # the disk has no room for them

    def record(
        self,
        request: Request,
        source: Source,
        reason: str,
        now: float,
        others: Iterable[Source] = (),
    ) -> str | None:
        """Store a copy and return its id, or None if there are too many or the store fails."""
        if self.is_full() or self.limiter.wait([(f"reject {source.name}", RECORD_RATE)], now):
            return None
        reject = build_reject(request, source, reason, now, reject_id(now), others)
        try:
            self.keep(reject)
        except StoreError as error:
            log.limited(source.name).error(
                "reject_not_stored", source=source.name, error=str(error)
            )
            return None
        return reject.id


@dataclass(frozen=True, kw_only=True)
class ProcessResources:
    """Clients and caches that processes must not share.

    Create it before the fork: the fields are for all processes, the properties of each process.
    `wake_workers` wakes the workers here and on other machines.
    """

    context: AppContext
    storage: EventStorage
    blobs: BlobStore
    limiter: RateLimiter
    wake_workers: Callable[[], None]
    secret_key: str = field(repr=False)

    @cached_property
    def keys(self) -> Keyring:
        """Return the cache of the public keys that senders publish."""
        return Keyring()

    @cached_property
    def sealer(self) -> Sealer:
        """Return the encryption of learned secrets."""
        settings = self.context.settings
        return sealer_for_secrets(settings.encryption_keys, settings.secret_key)

    @cached_property
    def learning(self) -> SecretEnrolment:
        """Return the enrolment of secrets that senders set themselves."""
        return SecretEnrolment(self.context.database, lambda: self.sealer)

    @cached_property
    def spam_check(self) -> SpamCheck:
        """Return the spam check of forms."""
        return SpamCheck(
            secret_key=self.secret_key,
            solve=CaptchaClient().solve,
            repeated=self.storage.repeated,
            network_of=partial(find_network, trusted=self.context.settings.trusted_proxies),
            stored=self.storage.stored,
        )

    @cached_property
    def store_file(self) -> KeepFile:
        """Return the function that stores a form's file."""
        return make_file_storer(self.blobs)

    @cached_property
    def rejects(self) -> RejectRecorder:
        """Return the recorder of requests that failed verification."""
        return RejectRecorder(self.storage.add_reject, self.limiter, self.storage.is_low)

    @cached_property
    def refusals(self) -> RefusalCounter:
        """Return the counter of submissions that forms refuse."""
        database = self.context.database
        return RefusalCounter(
            partial(refused_submissions.add, database), self.storage.is_low, database.timings
        )

    @property
    def tracer(self) -> Tracer | None:
        """Return the tracer of this process, None where nothing is exported."""
        return exporter.current_tracer()
