"""What was kept is read again, as its source reads it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.bodies import Body
    from bridge.model import Event
    from bridge.routes import Source
    from bridge.settings import Settings

MAX_DEPTH = 100


def present_sources(settings: Settings) -> Mapping[str, Source]:
    """Return the sources of routes.yaml, none where it cannot be read: what is kept can be exported and erased all the same."""
    from bridge.config import load

    with suppress(ConfigError):
        return load(settings.config, settings.environ, strict_secrets=False).sources
    return {}


def reader(sources: Mapping[str, Source]) -> Callable[[Event], Body]:
    """Return what reads an event's body: as its source does, or, where routes.yaml has none any more, as it looks."""
    from bridge.bodies import decode
    from bridge.receive import read_body

    def read(event: Event) -> Body:
        source, content_type = sources.get(event.source), event.headers.get("content-type", "")
        return read_body(source, content_type, event.body, event.files) if source else decode(content_type, event.body, max_depth=MAX_DEPTH)

    return read
