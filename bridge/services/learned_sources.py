"""Sources with the secrets that their senders delivered in a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.providers.signatures.scheme import Secret
from bridge.store.inbound import learned_secrets
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from bridge.routing.model import Source
    from bridge.store.db.database import Database
    from bridge.store.encryption import Sealer
    from bridge.store.inbound.learned_secrets import LearnedSecret

log = get_logger()


def add_learned_secret(
    source: Source, learned_secret: LearnedSecret, sealer: Callable[[], Sealer]
) -> Source:
    """Return a source with its learned secret, if that can be decrypted here."""
    if not learned_secret.sealed:
        return source
    secret = learned_secrets.open_secret(sealer(), source.name, learned_secret.sealed)
    if secret is None:
        log.error("secret_not_decryptable", source=source.name)
        return source
    return replace(source, secrets=(*source.secrets, Secret(secret)))


def add_learned_secrets(
    database: Database, sources: Mapping[str, Source], sealer: Callable[[], Sealer]
) -> dict[str, Source]:
    """Return the sources, those that learned their secret (Asana, Notion) with it."""
    return {
        name: source
        if source.provider.learn is None
        else add_learned_secret(source, learned_secrets.find(database, name), sealer)
        for name, source in sources.items()
    }
