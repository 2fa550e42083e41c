"""Lessons: a source receives its secret from the sender, on this machine or at a server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

import click

from bridge.cli.command_settings import find_server, settings_of
from bridge.core.audit import AuditAction
from bridge.core.errors import NotFound
from bridge.services.operations import find_audit_actor
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.providers.model import SecretDelivery
    from bridge.routing.model import Source
    from bridge.store.db.database import Database


class Lesson(Protocol):
    """A source that can receive its secret.

    `address`: where the sender delivers it. `ask`: what to do there.
    """

    address: str
    ask: str

    def allow(self, seconds: float) -> None:
        """Let the source receive its secret, once, within so many seconds."""

    def find_learned_at(self) -> object:
        """Return when the source last received a secret; None if it never did."""

    def end(self) -> None:
        """Let the source receive none any more."""

    def read_secret(self) -> str | None:
        """Return the secret, or why it cannot be read; None unless the sender must be given it."""


@contextmanager
def open_lesson(config: str | None, source: str) -> Iterator[Lesson]:
    """Give the lesson of a source of routes.yaml, or of the bridge at a server."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.connection import open_remote
        from bridge.cli.remote.remote_lesson import RemoteLesson

        with open_remote(server, partial(RemoteLesson, source=source)) as lesson:
            yield lesson
        return
    settings = settings_of(config, secrets=True)
    known, delivery = _find_source(load_present(settings).sources, source)
    with open_store(settings) as database:
        if database is None:
            raise NotFound(
                "there is no database yet: start `flowbridge serve` first, so that the sender can"
                " reach it"
            )
        yield StoredLesson(settings, database, known.name, delivery)


class StoredLesson:
    """A lesson in the store of this machine. See `Lesson`."""

    def __init__(
        self, settings: Settings, database: Database, source: str, delivery: SecretDelivery
    ) -> None:
        host = settings.public_url or settings.bound_url
        self.address = f"{host}/hooks/{source}"
        self.ask = delivery.ask
        self._is_shown = delivery.shown
        self._settings = settings
        self._database = database
        self._source = source

    def allow(self, seconds: float) -> None:
        """See `Lesson`."""
        from bridge.services.audit import new_entry
        from bridge.store.inbound import learned_secrets

        by = find_audit_actor(self._settings)
        entry = new_entry(AuditAction.LEARNING_ALLOWED, by, self._source)
        until = time.time() + seconds
        learned_secrets.allow_learning(self._database, self._source, until, entry)

    def find_learned_at(self) -> object:
        """See `Lesson`."""
        from bridge.store.inbound import learned_secrets

        return learned_secrets.find(self._database, self._source).learned_at

    def end(self) -> None:
        """See `Lesson`."""
        from bridge.store.inbound import learned_secrets

        learned_secrets.allow_learning(self._database, self._source, None)

    def read_secret(self) -> str | None:
        """See `Lesson`."""
        if not self._is_shown:
            return None
        from bridge.store.encryption import sealer_for_secrets
        from bridge.store.inbound import learned_secrets

        sealer = sealer_for_secrets(self._settings.encryption_keys, self._settings.secret_key)
        sealed = learned_secrets.find(self._database, self._source).sealed
        secret = (
            None if sealed is None else learned_secrets.open_secret(sealer, self._source, sealed)
        )
        return secret or "(encrypted with a key that is not set here)"


def _find_source(sources: Mapping[str, Source], name: str) -> tuple[Source, SecretDelivery]:
    from bridge.core.typos import suggest

    learning = {
        one.name: one.provider.learn for one in sources.values() if one.provider.learn is not None
    }
    if name in learning:
        return sources[name], learning[name]
    if name in sources:
        raise click.UsageError(
            f"{sources[name].provider.title} does not deliver a secret: {name} uses the one in"
            " routes.yaml"
        )
    raise click.UsageError(
        f"no source {name!r} receives its secret from the sender;"
        f" {suggest(name, learning)}those that do: {', '.join(learning) or 'none'}"
    )
