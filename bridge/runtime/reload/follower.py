"""The config follower: a process's own copy of the current configuration."""

from __future__ import annotations

import threading
import time

from bridge.config.loader import rebuild
from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.monitoring import counter_files
from bridge.monitoring.tracing import exporter
from bridge.routing.model import Config
from bridge.runtime.loaded_config import LoadedConfig, complete_platforms
from bridge.runtime.reload.shared_config import ConfigState, SharedConfig
from bridge.system.logs import get_logger

log = get_logger()


class ConfigFollower:
    """Follows the shared configuration. Created before the fork, started after it by each process.

    Call it once in each request or turn, so that the configuration does not change within it.
    """

    def __init__(
        self, settings: Settings, loaded: LoadedConfig, board: SharedConfig | None = None
    ) -> None:
        self._settings = settings
        self._config = loaded.config
        self._key = loaded.key
        self.board = board or SharedConfig(ConfigState(loaded.config.hash, loaded.key, time.time()))
        self._number = 0

    def __call__(self) -> Config:
        """Return the current configuration, which is immutable."""
        return self._config

    def start(self, role: str) -> None:
        """Load the newest configuration, follow changes in a thread, start counters and traces."""
        counter_files.start_counters(
            self._settings.data, self._settings.timings.counter_write_seconds
        )
        exporter.start_tracer(self._settings.environ)
        self.catch_up()
        self.board.register(role, self._config.hash)
        threading.Thread(target=self._follow, name="reload", daemon=True).start()

    def catch_up(self) -> None:
        """Load the shared configuration if it has changed. After an error, call it again."""
        number = self.board.number
        if number == self._number:
            return
        state = self.board.read()
        if state.key != self._key and state.parts:
            self._load(state)
        self._number = number

    def _load(self, state: ConfigState) -> None:
        config = complete_platforms(
            rebuild(state.parts, self._settings.config.parent), self._settings
        )
        if config.hash != state.hash:
            raise BridgeError("the rebuilt configuration differs from the shared one")
        self._config = config
        self._key = state.key
        self.board.write_hash(config.hash)
        log.debug("config_loaded", hash=config.hash)

    def _follow(self) -> None:
        changes = self.board.changed.listen()
        wait: float | None = None
        while True:
            changes.poll(wait)
            wait = None
            try:
                self.catch_up()
            except Exception as fault:
                # the current one stays valid; the slot shows that it is an old one
                log.error("config_not_taken", exc_info=fault)
                wait = self._settings.timings.config_retry_seconds
