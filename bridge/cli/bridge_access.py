"""Open the bridge that a reading command asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.cli.command_settings import settings_of

if TYPE_CHECKING:
    from bridge.services.bridge_reader import BridgeReader


@contextmanager
def open_bridge(config: str | None) -> Iterator[BridgeReader]:
    """Open the bridge of this machine."""
    from bridge.cli.local_bridge import LocalBridge
    from bridge.services.store_access import open_store

    settings = settings_of(config)
    with open_store(settings) as database:
        yield LocalBridge(config, settings, database)
