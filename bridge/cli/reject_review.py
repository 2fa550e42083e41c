"""The review of rejects with the configuration of this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.cli.command_settings import settings_of
from bridge.cli.usable_config import load_usable, with_learned_secrets
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.services.rejects import RejectReview


def make_review(config: str | None, *, to_look: bool = False) -> RejectReview:
    """Return the review of rejects with the current routes.yaml; with `to_look`, the last good one
    where it cannot be used.
    """
    from bridge.services.rejects import RejectReview
    from bridge.system.key_fetcher import Keyring

    return RejectReview(_routes(config, to_look=to_look), Keyring())


def _routes(config: str | None, *, to_look: bool = False) -> Config:
    """Return the current routes.yaml as receivers use it; with `to_look`, the last good one where
    it cannot be used.
    """
    from bridge.ingest.redaction import add_all_keys

    settings = settings_of(config)
    routes = load_usable(settings) if to_look else load_present(settings)
    seals = bool(settings.encryption_keys)
    if seals or any(source.redact for source in routes.sources.values()):
        key = settings_of(config, secrets=True).secret_key
        routes = add_all_keys(routes, key, seals=seals)
    return replace(routes, sources=with_learned_secrets(config, routes.sources))
