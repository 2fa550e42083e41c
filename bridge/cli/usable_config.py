"""The configuration of a command, with a note on stderr where it is the last good one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.cli.ui import output
from bridge.core.errors import ConfigError
from bridge.services.store_access import open_store
from bridge.services.usable_config import find_usable

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config, Source


def load_usable(settings: Settings) -> Config:
    """Return the configuration of the files, or, with a note, the last good one."""
    usable = find_usable(settings)
    say_unusable(usable.error)
    return usable.config


def load_sources(settings: Settings) -> Mapping[str, Source]:
    """Return the sources, none where no configuration can be used.

    Stored events can be exported and erased without one.
    """
    with suppress(ConfigError):
        return load_usable(settings).sources
    return {}


def with_learned_secrets(config: str | None, sources: Mapping[str, Source]) -> dict[str, Source]:
    """Return the sources, those that learned their secret (Asana, Notion) with it.

    A secret that cannot be decrypted here is left out.
    """
    if all(source.provider.learn is None for source in sources.values()):
        return dict(sources)
    from bridge.cli.command_settings import settings_of
    from bridge.services.learned_sources import add_learned_secrets
    from bridge.store.encryption import sealer_for_secrets

    with open_store(settings_of(config)) as database:
        if database is None:
            return dict(sources)
        settings = settings_of(config, secrets=True)
        return add_learned_secrets(
            database,
            sources,
            lambda: sealer_for_secrets(settings.encryption_keys, settings.secret_key),
        )


def say_unusable(error: ConfigError | str | None) -> None:
    """Print why the last good configuration is used, if it is."""
    if error is not None:
        output.say(
            f"{error}\nroutes.yaml cannot be used; the last good configuration is used instead."
        )
