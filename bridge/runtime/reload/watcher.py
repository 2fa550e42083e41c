"""The config reader: detect changes of the files, check them, and publish the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bridge.config.files import FileTracker
from bridge.config.loader import read
from bridge.config.settings import Settings, merge_dotenv
from bridge.core.errors import BridgeError
from bridge.runtime.loaded_config import complete_platforms, read_dotenv, warn_of_missing
from bridge.runtime.reload.shared_config import ConfigState, SharedConfig
from bridge.system.forked_call import call_in_fork
from bridge.system.logs import get_logger

log = get_logger()

READ_TIMEOUT_SECONDS: Final = 60.0
MAX_PROBLEMS: Final = 20  # problems that are reported


@dataclass(frozen=True, slots=True)
class WatchedConfig:
    """A valid configuration. `canonical`: its stored form; other fields as in `ConfigState`.

    `missing`: by source and platform, the value that is not set.
    """

    hash: str
    key: str
    canonical: str
    parts: str
    sources: int
    routes: int
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The result of reading the files: a valid configuration, or `problems`."""

    disk: FileTracker
    good: WatchedConfig | None = None
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


class ConfigReader:
    """Polls the content of every file of the configuration, also of missing ones, on any mount.

    A configuration with a missing value is used as at a start: the source answers 503, and the
    platform's deliveries wait. `disk`: the files of the current configuration, null where unknown.
    `remember` stores a configuration before any process uses it, and raises BridgeError on failure.
    `find_losses` returns why a valid configuration is not used, None where it is.
    """

    def __init__(
        self,
        settings: Settings,
        board: SharedConfig,
        disk: FileTracker | None,
        remember: Callable[[WatchedConfig], None],
        find_losses: Callable[[WatchedConfig], str | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._board = board
        self._remember = remember
        self._find_losses = find_losses
        self._timings = settings.timings
        self._known = board.read()
        self._checked = disk  # the files at the last check
        self._pending: ReadResult | None = None  # read a moment ago
        self._quiet_at = 0.0
        self._asked = False

    def poll(self, *, asked: bool = False) -> float:
        """Read the files if they changed or `asked`, and return the seconds until the next poll."""
        self._asked = self._asked or asked
        now = time.monotonic()
        if self._pending is None:
            if self._checked is not None and not self._asked and not self._checked.has_changed():
                return self._timings.config_poll_seconds
        elif now < self._quiet_at:
            return self._quiet_at - now
        elif not self._pending.disk.has_changed():
            found = self._pending
            self._pending = None
            return self._publish(found)
        try:
            self._pending = call_in_fork(lambda: read_files(self._settings), READ_TIMEOUT_SECONDS)
        except BridgeError as error:
            self._publish(
                ReadResult(FileTracker(), problems=(f"reading the configuration failed: {error}",))
            )
            self._checked = None
            return self._timings.config_retry_seconds
        quiet = self._timings.config_quiet_seconds
        self._quiet_at = time.monotonic() + quiet
        return quiet

    def _publish(self, found: ReadResult) -> float:
        """Publish a valid configuration, or its problems."""
        before = self._known
        asked = self._asked
        self._asked = False
        problems = found.problems
        good = found.good
        is_new = good is not None and good.key != before.key
        held = self._find_obstacle(good) if good is not None and is_new else None
        known = replace(before, restart=found.restart, held=held)
        if good is not None and is_new and held is None:
            try:
                self._remember(good)
                known = replace(
                    known, hash=good.hash, key=good.key, parts=good.parts, since=time.time()
                )
            except BridgeError as error:
                problems = (f"cannot store the configuration in the database: {error}",)
        since = (
            (before.error_since if before.error == problems else time.time()) if problems else None
        )
        self._known = replace(known, error=problems, error_since=since)
        if self._known != before:
            self._board.write(self._known)
        self._log_change(before, good, asked=asked)
        self._checked = None if good is not None and problems else found.disk
        timings = self._timings
        return (
            timings.config_retry_seconds if self._checked is None else timings.config_poll_seconds
        )

    def _find_obstacle(self, good: WatchedConfig) -> str | None:
        """Return why a valid configuration is not used. One that cannot be tested is not used."""
        try:
            return self._find_losses(good)
        except BridgeError as error:
            return f"the test on stored events failed: {error}"

    def _log_change(self, was: ConfigState, good: WatchedConfig | None, *, asked: bool) -> None:
        """Log one line for a change; only this process logs it."""
        known = self._known
        if known.restart and known.restart != was.restart:
            log.warning("restart_needed", settings=known.restart)
        if known.error:
            if known.error != was.error or asked:
                log.error("config_invalid", problems=known.error, kept=known.hash)
        elif known.held is not None:
            if known.held != was.held or asked:
                log.error("config_held", reason=known.held, used=known.hash)
        elif known.key != was.key and good is not None:
            log.info(
                "config_reloaded",
                hash=known.hash,
                was=was.hash,
                sources=good.sources,
                routes=good.routes,
                mended=bool(was.error),
            )
            warn_of_missing(good.missing)
        elif was.error or was.held:
            log.info("config_valid", hash=known.hash)
        elif asked:
            log.info("config_unchanged", hash=known.hash)


def read_files(settings: Settings) -> ReadResult:
    """Read the configuration now, and check that processes could start with it."""
    disk = FileTracker(again=True)
    restart = tuple[str, ...]()
    try:
        environ = merge_dotenv(settings.own, read_dotenv(settings, disk))
        restart = _to_restart(settings.environ, environ)
        reading = read(settings.config, environ, disk, strict_secrets=False)
        if reading.config is None:
            wrong = [str(one) for one in reading.problems if one.level == "error"]
            return ReadResult(disk, problems=tuple(wrong[:MAX_PROBLEMS]), restart=restart)
        config = complete_platforms(reading.config, settings)
    except BridgeError as error:
        return ReadResult(disk, problems=(str(error),), restart=restart)
    good = WatchedConfig(
        config.hash,
        reading.key,
        config.canonical,
        reading.parts,
        len(config.sources),
        len(config.route_names),
        config.missing,
    )
    return ReadResult(disk, good, restart=restart)


def _to_restart(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the changed settings, which apply after a restart."""
    names = {name for name in (*before, *now) if name.startswith("FLOWBRIDGE_")}
    return tuple(sorted(name for name in names if before.get(name) != now.get(name)))
