"""The clients and caches of a receiver process, created on first use, after the fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from bridge.ingest.forms.attachments import KeepFile
from bridge.ingest.forms.spam.check import SpamCheck
from bridge.monitoring.tracing import exporter
from bridge.monitoring.tracing.exporter import Tracer
from bridge.store.blobs import BlobStore
from bridge.store.encryption import Sealer, sealer_for_secrets
from bridge.store.inbound import refused_submissions
from bridge.system.key_fetcher import Keyring
from bridge.web.app_context import AppContext
from bridge.web.captcha_client import CaptchaClient
from bridge.web.client_ip import find_network
from bridge.web.event_storage import EventStorage
from bridge.web.form_files import make_file_storer
from bridge.web.learned_secrets import SecretEnrolment
from bridge.web.rate_limiter import RateLimiter
from bridge.web.refusal_counter import RefusalCounter
from bridge.web.reject_recorder import RejectRecorder


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
