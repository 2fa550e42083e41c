"""Reload the configuration when its files change, and report to `flowbridge status`."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any, Final

from bridge import __version__
from bridge.config.files import FileTracker
from bridge.config.loader import rebuild
from bridge.config.settings import Settings
from bridge.monitoring.presence import Presence
from bridge.runtime.loaded_config import LoadedConfig
from bridge.runtime.reload.shared_config import SharedConfig, describe
from bridge.runtime.reload.watcher import ConfigReader, Steps, WatchedConfig, call_in_steps
from bridge.store.db.database import Database
from bridge.store.queries import configs
from bridge.system.logs import get_logger
from bridge.system.wakeup import Wake

log = get_logger()

RELOADER_ROLE: Final = "reload"
STORE_TIMEOUT_SECONDS: Final = 60.0  # to store a configuration
TEST_TIMEOUT_SECONDS: Final = 60.0  # to test one on stored events


class Reloader:
    """Reloads the configuration in steps, none of which waits for a file or the database.

    The process that creates it calls `poll` or `poll_if_due` from then on, and must have no
    threads. `loaded`: the configuration of the start. `top`: the first process of the bridge,
    this one if it is not given.
    """

    def __init__(
        self,
        settings: Settings,
        board: SharedConfig,
        loaded: LoadedConfig,
        top: int | None = None,
    ) -> None:
        self._settings = settings
        self._board = board
        self._top = top or os.getpid()
        self._presence = _open_presence(settings)
        self._reader = self._make_reader(loaded.disk)
        self._due = 0.0
        board.register(RELOADER_ROLE, board.read().hash)

    def ask(self) -> None:
        """Request a read by the next poll, even of files that have not changed."""
        self._board.wake.notify()

    @property
    def seconds_to_wait(self) -> float:
        """The seconds until a step is due, unless `wake` is notified before."""
        return self._due - time.monotonic()

    @property
    def wake(self) -> Wake:
        """What a request for a read wakes."""
        return self._board.wake

    def poll_if_due(self) -> None:
        """Take a step if one is due or asked for; never waits, so call it often."""
        asked = self._board.wake.wait(0.0)
        if asked or time.monotonic() >= self._due:
            self.poll(asked=asked)

    def poll(self, *, asked: bool = False) -> float:
        """Take the next step, and return the seconds until the one after it.

        A failure is logged, and the files are read again: the process has other work to do.
        """
        try:
            wait = self._reader.poll(asked=asked)
            self._report()
        except Exception as fault:
            log.error("reload_failed", exc_info=fault)
            self._reader = self._make_reader(None)
            wait = self._settings.timings.config_retry_seconds
        self._due = time.monotonic() + wait
        return wait

    def close(self) -> None:
        """End the step under way, and report no more."""
        self._reader.close()
        if self._presence is not None:
            self._presence.close()

    def _report(self) -> None:
        """Report the state; both write only what has changed."""
        self._board.write_hash(self._board.read().hash)
        if self._presence is not None:
            self._presence.publish(_describe_bridge(self._settings, self._board, self._top))

    def _make_reader(self, disk: FileTracker | None) -> ConfigReader:
        return ConfigReader(self._settings, self._board, disk, self._remember, self._find_losses)

    def _remember(self, good: WatchedConfig) -> Steps[None]:
        settings = self._settings
        return call_in_steps(lambda: _remember(settings, good), STORE_TIMEOUT_SECONDS)

    def _find_losses(self, good: WatchedConfig) -> Steps[str | None]:
        settings = self._settings
        if settings.reload_test is None:
            return None
        used = self._board.read().hash
        return (
            yield from call_in_steps(
                lambda: _find_losses(settings, used, good), TEST_TIMEOUT_SECONDS
            )
        )


def _remember(settings: Settings, good: WatchedConfig) -> None:
    database = Database(settings.database_url, timings=settings.timings)
    try:
        configs.remember_config(database, good.hash, good.canonical, time.time())
    finally:
        database.close()


def _find_losses(settings: Settings, used_hash: str, good: WatchedConfig) -> str | None:
    from bridge.services.reload_test import find_losses

    changed = rebuild(good.parts, settings.config.parent)
    database = Database.of(settings)
    try:
        return find_losses(settings, database, used_hash, changed)
    finally:
        database.close()


def _open_presence(settings: Settings) -> Presence | None:
    try:
        return Presence(settings.data)
    except OSError as error:  # receivers on PostgreSQL work without it
        log.warning("presence_unavailable", folder=str(settings.data), error=error.strerror)
        return None


def _describe_bridge(settings: Settings, board: SharedConfig, top: int) -> dict[str, Any]:
    receives = board.has("web")
    return {
        "pid": top,
        "host": socket.gethostname(),
        "bind": settings.bind if receives else None,
        "private_bind": settings.private_bind if receives else None,
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        **describe(board),
    }
