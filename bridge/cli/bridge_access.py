"""Open the bridge that a reading command asks: the store here, or the server of --server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.cli.command_settings import find_server, settings_of

if TYPE_CHECKING:
    from bridge.services.bridge_reader import BridgeReader


@contextmanager
def open_bridge(config: str | None) -> Iterator[BridgeReader]:
    """Open the bridge to read. With --server no file of this machine's project is read."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.remote_bridge import open_remote_bridge

        with open_remote_bridge(server) as bridge:
            yield bridge
        return
    from bridge.cli.local_bridge import LocalBridge
    from bridge.services.store_access import open_store

    settings = settings_of(config)
    with open_store(settings) as database:
        yield LocalBridge(config, settings, database)
