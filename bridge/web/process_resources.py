"""What each receiver process makes for itself, on first use and so after the fork."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from bridge.ingest.forms.spam.check import Gate
from bridge.monitoring.tracing import exporter
from bridge.monitoring.tracing.exporter import Tracer
from bridge.store.encryption import Sealer, of_secrets
from bridge.web.app_context import AppContext
from bridge.web.captcha_client import Solving
from bridge.web.event_storage import EventStorage
from bridge.web.key_fetcher import Keyring


@dataclass(frozen=True, kw_only=True)
class ProcessResources:
    """Make connections, threads' pools and caches that processes must not share.

    Create it before the fork: only its properties make anything.
    """

    context: AppContext
    storage: EventStorage
    secret_key: str = field(repr=False)

    @cached_property
    def keys(self) -> Keyring:
        """Return the client that fetches the keys which senders publish, and remembers them."""
        return Keyring()

    @cached_property
    def sealer(self) -> Sealer:
        """Return the encryption of learned secrets."""
        settings = self.context.settings
        return of_secrets(settings.encryption_keys, settings.secret_key)

    @cached_property
    def spam_check(self) -> Gate:
        """Return the spam check of forms."""
        return Gate(
            secret_key=self.secret_key,
            solve=Solving().solve,
            submit=self.storage.submit,
            repeated=self.storage.repeated,
            files_of=self.storage.files_of,
            stored_today=self.storage.stored_today,
        )

    @property
    def tracer(self) -> Tracer | None:
        """Return the tracer that this process has begun, None where nothing is exported."""
        return exporter.current()
