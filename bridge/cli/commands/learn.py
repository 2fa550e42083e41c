"""learn: let a source receive its secret from the sender, once and for a limited time."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_sources
from bridge.cli.option_types import DurationParam
from bridge.cli.ui import output
from bridge.core.audit import AuditAction, AuditActor
from bridge.core.errors import NotFound
from bridge.services.operations import find_audit_actor
from bridge.services.store_access import open_store
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.providers.model import SecretDelivery
    from bridge.routing.model import Source
    from bridge.store.db.database import Database

POLL_SECONDS = 0.3


@click.command()
@click.argument("source", shell_complete=complete_sources)
@click.option(
    "--for",
    "seconds",
    type=DurationParam(),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long to wait.",
)
@click.pass_obj
def learn(config: str | None, /, source: str, seconds: float) -> None:
    """Let a source receive its secret: some senders (Asana, Notion) deliver it once, in a request
    that is not signed.

    Such a request is accepted only while this command waits, and only the first one. An earlier
    secret stays valid until then.

    \b
    flowbridge learn asana
    flowbridge learn notion --for 30m
    """
    settings = settings_of(config, secrets=True)
    known, lesson = _source(load_present(settings).sources, source)
    with open_store(settings) as database:
        if database is None:
            raise NotFound(
                "there is no database yet: start `flowbridge serve` first, so that the sender can"
                " reach it"
            )
        host = settings.public_url or settings.bound_url
        output.say(
            f"{known.name} waits {seconds:g} seconds for its secret, at {host}/hooks/{known.name}"
        )
        output.say(lesson.ask)
        sealed = _wait(database, known.name, seconds, find_audit_actor(settings))
    if sealed is None:
        output.say("No secret was received. An earlier one stays valid.")
        sys.exit(1)
    output.say(f"Secret received: from now on {known.name} accepts requests signed with it.")
    if lesson.shown:
        from bridge.store.encryption import sealer_for_secrets
        from bridge.store.inbound import learned_secrets

        secret = learned_secrets.open_secret(
            sealer_for_secrets(settings.encryption_keys, settings.secret_key), known.name, sealed
        )
        output.say("Enter this secret at the sender:")
        output.answer(secret or "(encrypted with a key that is not set here)")


def _wait(database: Database, source: str, seconds: float, by: AuditActor) -> str | None:
    """Allow the source to receive its secret, and return the encrypted secret; None after the
    timeout.
    """
    from bridge.services.audit import new_entry
    from bridge.store.inbound import learned_secrets

    began = time.time()
    before = learned_secrets.find(database, source).learned_at
    entry = new_entry(AuditAction.LEARNING_ALLOWED, by, source)
    learned_secrets.allow_learning(database, source, began + seconds, entry)
    try:
        while time.time() < began + seconds:
            now = learned_secrets.find(database, source)
            if now.learned_at != before:
                return now.sealed
            time.sleep(POLL_SECONDS)
        return None
    finally:
        learned_secrets.allow_learning(database, source, None)


def _source(sources: Mapping[str, Source], name: str) -> tuple[Source, SecretDelivery]:
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
