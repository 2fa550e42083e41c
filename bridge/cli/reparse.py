"""What was kept is read again, as its source reads it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.cli.ui import output
from bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Body, Event
    from bridge.routing.model import Config, Source

MAX_DEPTH = 100


def good_config(settings: Settings) -> Config:
    """Return the configuration of the files; where these cannot be used, say so and return the last
    good one.
    """
    from bridge.config.loader import load
    from bridge.monitoring.status import last_good
    from bridge.services.store_access import open_store

    try:
        return load(settings.config, settings.environ, strict_secrets=False)
    except ConfigError as error:
        with open_store(settings) as database:
            kept = None if database is None else last_good(settings, database)
        if kept is None:
            raise
        output.say(f"{error}\nThat cannot be used: the last good configuration is.")
        return kept


def present_sources(settings: Settings) -> Mapping[str, Source]:
    """Return the sources, none where no configuration can be used: what is kept can be exported and
    erased all the same.
    """
    with suppress(ConfigError):
        return good_config(settings).sources
    return {}


def reader(sources: Mapping[str, Source]) -> Callable[[Event], Body]:
    """Return what reads an event's body: as its source does, or, where routes.yaml has none any
    more, as it looks.
    """
    from bridge.ingest.bodies import decode
    from bridge.ingest.source_bodies import read_body

    def read(event: Event) -> Body:
        source = sources.get(event.source)
        content_type = event.headers.get("content-type", "")
        return (
            read_body(source, content_type, event.body, event.files)
            if source
            else decode(content_type, event.body, max_depth=MAX_DEPTH)
        )

    return read
