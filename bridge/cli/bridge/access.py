"""Open the bridge that a command asks: the store here, or the server of --server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.cli.bridge.client import Bridge
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import wrong_usage


@contextmanager
def open_bridge(
    config: str | None, *, is_changed: bool = False, creates: bool = False
) -> Iterator[Bridge]:
    """Open the bridge that a command asks. With --server no file of this machine's project is read.

    A parameter that the bridge does not accept is wrong usage. `is_changed`: the store must exist,
    and the workers are woken at the end. `creates`: it is created where there is none.
    """
    server = find_server()
    if server is not None:
        from bridge.cli.remote.connection import open_admin_client

        with open_admin_client(server) as client:
            yield Bridge(client)
        return
    from bridge.cli.bridge.local_transport import LocalTransport
    from bridge.services.store_access import open_or_create_store, open_store, open_store_to_change

    settings = settings_of(config)
    open_it = (
        open_or_create_store if creates else open_store_to_change if is_changed else open_store
    )
    with open_it(settings) as database, wrong_usage():
        yield Bridge(LocalTransport(config, settings, database))
