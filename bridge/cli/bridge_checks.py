"""The checks of a running bridge that `doctor` makes: with the secrets here, or of a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from bridge.cli.command_settings import explain_local_only, find_server, settings_of
from bridge.cli.options import parse_url
from bridge.cli.usable_config import with_learned_secrets
from bridge.routing.idle_routes import describe_idle_routes, find_idle_routes
from bridge.services.bridge_checks.database_sessions import find_shared_sessions
from bridge.services.bridge_checks.examination import DryRuns, Examination
from bridge.services.bridge_checks.findings import CheckFinding
from bridge.services.bridge_checks.secret_use import describe_secret_use, list_secret_use
from bridge.services.file_modes import find_exposed_files
from bridge.services.usable_config import load_present
from bridge.system.http_client import HttpClient
from bridge.web.receiving import dry_run

if TYPE_CHECKING:
    from bridge.config.settings import Settings


class BridgeChecks(Protocol):
    """Checks the bridge at the URL `target`."""

    target: str

    def run(self) -> Iterator[CheckFinding]:
        """Yield all findings. Raises `BridgeError` where no bridge answers."""


@contextmanager
def open_checks(config: str | None, to: str | None) -> Iterator[BridgeChecks]:
    """Give the checks of the bridge of routes.yaml, or of the bridge at a server.

    `to`: the URL of the former; with a server it is wrong usage.
    """
    server = find_server()
    if server is None:
        sender = HttpClient()
        try:
            yield LocalChecks(config, to, sender)
        finally:
            sender.close()
        return
    if to is not None:
        raise click.UsageError(explain_local_only("doctor --to"))
    from bridge.cli.remote.connection import open_admin_client
    from bridge.cli.remote.remote_checks import RemoteChecks

    with open_admin_client(server) as client:
        yield RemoteChecks(client)


class LocalChecks:
    """The checks with the routes.yaml and the secrets of this machine. See `BridgeChecks`."""

    def __init__(self, config: str | None, to: str | None, sender: HttpClient) -> None:
        self._settings = settings_of(config, secrets=True)
        self._read = load_present(self._settings)
        self._sources = with_learned_secrets(config, self._read.sources)
        self._sender = sender
        self.target = _choose_target(to, self._settings)

    def run(self) -> Iterator[CheckFinding]:
        """See `BridgeChecks`."""
        yield from find_shared_sessions(self._settings)
        dry_runs = DryRuns(dry_run.HEADER, dry_run.DONE, dry_run.sign_token, dry_run.find_changes)
        examination = Examination(self._sender, self.target, self._settings, dry_runs)
        yield from examination.run(list(self._sources.values()))
        used = list_secret_use(self._settings, self._sources.values())
        yield from describe_secret_use(used, time.time())
        for text in describe_idle_routes(find_idle_routes(self._read)):
            yield CheckFinding("routes", "-", "warning", text)
        for text in find_exposed_files(self._settings, self._read.canonical):
            yield CheckFinding("file modes", "-", "warning", text)


def _choose_target(to: str | None, settings: Settings) -> str:
    """Return the URL of the bridge to test. `to`: the value of --to."""
    if to:
        return parse_url(to).rstrip("/")
    return (settings.public_url or settings.bound_url).rstrip("/")
