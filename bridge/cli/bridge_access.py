"""Open the bridge that a reading command asks: the store here, or the server of --server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.cli.command_settings import find_server, settings_of

if TYPE_CHECKING:
    from bridge.services.authoring_reader import AuthoringReader
    from bridge.services.bridge_reader import BridgeReader


@contextmanager
def open_bridge(config: str | None) -> Iterator[BridgeReader]:
    """Open the bridge to read. With --server no file of this machine's project is read."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.connection import open_remote
        from bridge.cli.remote.remote_bridge import RemoteBridge

        with open_remote(server, RemoteBridge) as bridge:
            yield bridge
        return
    from bridge.cli.local_bridge import LocalBridge
    from bridge.services.store_access import open_store

    settings = settings_of(config)
    with open_store(settings) as database:
        yield LocalBridge(config, settings, database)


@contextmanager
def open_authoring(config: str | None) -> Iterator[AuthoringReader]:
    """Open the bridge to read what helps to write routes; see `open_bridge`."""
    server = find_server()
    if server is not None:
        from bridge.cli.remote.connection import open_remote
        from bridge.cli.remote.remote_authoring import RemoteAuthoring

        with open_remote(server, RemoteAuthoring) as bridge:
            yield bridge
        return
    from bridge.cli.local_authoring import LocalAuthoring
    from bridge.cli.options import wrong_usage
    from bridge.services.store_access import open_store

    settings = settings_of(config)
    with open_store(settings) as database, wrong_usage():
        yield LocalAuthoring(settings, database)
