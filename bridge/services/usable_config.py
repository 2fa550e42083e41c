"""The configuration of routes.yaml, or the last good one where the file cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Body, Event
    from bridge.routing.model import Config, Source

MAX_BODY_DEPTH = 100


@dataclass(frozen=True, slots=True)
class UsableConfig:
    """A configuration that can be used.

    `error`: why the files cannot be used, where this is the last good configuration.
    """

    config: Config
    error: ConfigError | None = None


def load_present(settings: Settings) -> Config:
    """Return the configuration of the files, without secrets that are not set.

    Raises `ConfigError` where they cannot be used.
    """
    from bridge.config.loader import load

    return load(settings.config, settings.environ, strict_secrets=False)


def find_usable(settings: Settings) -> UsableConfig:
    """Return the configuration of the files, or the last good one where they cannot be used.

    Raises `ConfigError` where there is neither.
    """
    from bridge.monitoring.active_config import find_last_valid
    from bridge.services.store_access import open_store

    try:
        return UsableConfig(load_present(settings))
    except ConfigError as error:
        with open_store(settings) as database:
            stored = None if database is None else find_last_valid(settings, database)
        if stored is None:
            raise
        return UsableConfig(stored, error)


def body_reader(sources: Mapping[str, Source]) -> Callable[[Event], Body]:
    """Return a function that reads an event's body as its source does.

    Without its source in `sources` the body is read by its content type.
    """
    from bridge.ingest.bodies import decode
    from bridge.ingest.source_bodies import read_body

    def read(event: Event) -> Body:
        source = sources.get(event.source)
        content_type = event.headers.get("content-type", "")
        return (
            read_body(source, content_type, event.body, event.files)
            if source
            else decode(content_type, event.body, max_depth=MAX_BODY_DEPTH)
        )

    return read
