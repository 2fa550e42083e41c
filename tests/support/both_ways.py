"""A served bridge on which a command runs both ways: from its store, and through its admin API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from admin_client import LIFTED_RATES
from processes import call_here, environment
from serving import Bridge, free_port

from bridge.core.timings import Timings
from bridge.store.inbound import rejects
from bridge.store.queries import events
from bridge.store.queries.filters import Filters

SOON = Timings(server_poll_seconds=0.02)


class BothWays:
    """A bridge, read from its store and through its admin API."""

    def __init__(self, bridge: Bridge, private: int, home: Path) -> None:
        self.bridge = bridge
        self.home = home
        self.server = f"http://127.0.0.1:{private}"
        self.token = self.add_token("whole", "read,bodies,act")

    def add_token(self, name: str, scopes: str) -> str:
        made = self.local("token", "add", name, "--scope", scopes, "--json")
        return str(json.loads(made.stdout)["token"])

    def local(self, *arguments: str) -> CompletedProcess[str]:
        return call_here(
            self.bridge.folder,
            "--config",
            str(self.bridge.config),
            *arguments,
            environ=self.bridge.environ,
        )

    def remote(
        self, *arguments: str, token: str | None = None, server: str | None = None
    ) -> CompletedProcess[str]:
        """Run a command where there is no project, against this bridge or another server."""
        environ = environment(
            FLOWBRIDGE_TOKEN=token or self.token,
            FLOWBRIDGE_ACTOR="é@laptop",
            XDG_CONFIG_HOME=str(self.home / "config"),
        )
        command = ("--server", server or self.server, *arguments)
        return call_here(self.home, *command, environ=environ, timings=SOON)

    def assert_same(self, *arguments: str, code: int = 0) -> str:
        """Run a command both ways, compare what it prints and its exit code, and return that."""
        local = self.local(*arguments)
        remote = self.remote(*arguments)
        if remote.stdout != local.stdout:  # a minute may have ended between the two
            local = self.local(*arguments)
        assert remote.stdout == local.stdout, (arguments, remote.stderr)
        assert (remote.returncode, local.returncode) == (code, code), (remote.stderr, local.stderr)
        return local.stdout

    def ids(self) -> list[str]:
        """Return the ids of all events that are not plain, of their deliveries, and two rejects."""
        store = self.bridge.database
        found = []
        for event, deliveries in events.list_events(store, Filters(), 0):
            if not str(event.provider_id).startswith("plain"):
                found += [event.id, *(one.id for one in deliveries)]
        return found + [one.id for one in rejects.list_rejects(store, limit=2)]


@contextmanager
def serve_both_ways(folder: Path, *arguments: str, **options: Any) -> Iterator[BothWays]:
    """Serve a bridge with a private listener, on which a token may send as much as it likes; the
    remote command runs in another folder.
    """
    port = free_port()
    home = folder / "elsewhere"
    home.mkdir()
    environ = {"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{port}", **options.pop("environ", {})}
    timings = {**LIFTED_RATES, **options.pop("timings", {})}
    served = folder / "bridge"
    served.mkdir()
    command = arguments or ("web",)
    with Bridge(served, *command, environ=environ, timings=timings, **options) as bridge:
        yield BothWays(bridge, port, home)
