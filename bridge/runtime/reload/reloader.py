"""Reload the configuration when its files change, and report to `flowbridge status`.

`ConfigReader` detects changes of the files, checks them, and publishes the configuration. It takes
steps and never waits between them, so that a process with other work can run it; and whatever
touches a file or the database is done by a forked process, which may hang.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from bridge import __version__
from bridge.config.files import FileTracker
from bridge.config.loader import read, rebuild
from bridge.config.settings import Settings, merge_dotenv
from bridge.core.errors import BridgeError
from bridge.monitoring.presence import Presence
from bridge.runtime.loaded_config import (
    LoadedConfig,
    complete_platforms,
    read_dotenv,
    warn_of_missing,
)
from bridge.runtime.reload.shared_config import ConfigState, SharedConfig, describe
from bridge.store.db.database import Database
from bridge.store.queries import configs
from bridge.system.forked_call import begin_in_fork, report_alive
from bridge.system.linux_process import release_listening_sockets
from bridge.system.logs import get_logger
from bridge.system.priority import lower_priority
from bridge.system.wakeup import Wake

T = TypeVar("T")
#: Yields the seconds until the next step, and returns the result of the last one.
Steps: TypeAlias = Generator[float, None, T]

log = get_logger()

CALL_POLL_SECONDS: Final = 0.02  # between looks at a forked process
#: Of the reader, while a process watches the files: it notices their change within one poll.
STEPS_PER_POLL: Final = 4
NICENESS: Final = 10  # reading files is less urgent than answering requests
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
    """The result of reading the files: a valid configuration, or `problems`.

    `disk`: the files that were read, None where they could not be.
    """

    disk: FileTracker | None
    good: WatchedConfig | None = None
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


class ConfigReader:
    """Polls the content of every file of the configuration, also of missing ones, on any mount.

    A configuration with a missing value is used as at a start: the source answers 503, and the
    platform's deliveries wait. `disk`: the files of the current configuration, null where unknown.
    `remember` stores a configuration before any process uses it, and raises BridgeError on failure.
    `find_losses` returns why a valid configuration is not used, None where it is. Both take steps.
    """

    def __init__(
        self,
        settings: Settings,
        board: SharedConfig,
        disk: FileTracker | None,
        remember: Callable[[WatchedConfig], Steps[None]],
        find_losses: Callable[[WatchedConfig], Steps[str | None]],
    ) -> None:
        self._settings = settings
        self._board = board
        self._remember = remember
        self._find_losses = find_losses
        self._timings = settings.timings
        self._known = board.read()
        self._checked = disk  # the files at the last check
        self._asked = False
        self._steps = self._run()

    def poll(self, *, is_requested: bool = False) -> float:
        """Take the next step, and return the seconds until the one after it.

        The files are read if they changed or `is_requested`.
        """
        self._asked = self._asked or is_requested
        return next(self._steps)

    def close(self) -> None:
        """End the step under way; there is none after it."""
        self._steps.close()

    def _run(self) -> Generator[float, None, None]:
        while True:
            yield from self._publish_result(self._read())
            if self._checked is not None and not self._asked:
                yield from self._publish_result(self._wait_for_change(self._checked))
            if self._checked is None and not self._asked:
                yield self._timings.config_retry_seconds

    def _publish_result(self, steps: Steps[ReadResult | None]) -> Steps[None]:
        try:
            result = yield from steps
        except BridgeError as error:
            result = ReadResult(None, problems=(f"reading the configuration failed: {error}",))
        if result is not None:
            yield from self._publish(result)

    def _wait_for_change(self, disk: FileTracker) -> Steps[None]:
        """Wait until a file has changed or a read is asked for.

        One process checks the files all the time: a fork for each check takes more time than the
        check.
        """
        step = self._timings.config_poll_seconds / STEPS_PER_POLL
        interval = self._timings.config_poll_seconds - step
        try:
            yield from call_in_steps(
                partial(watch_files, disk, interval),
                self._timings.config_read_seconds,
                step,
                lambda: self._asked,
            )
        except BridgeError:
            if not self._asked:  # else it was ended for the read that follows
                raise

    def _read(self) -> Steps[ReadResult | None]:
        """Return what the files say when they are quiet, None if they have not changed."""
        result = None
        since = None if self._asked else self._checked
        while newer := (
            yield from call_in_steps(
                partial(read_if_changed, self._settings, since), self._timings.config_read_seconds
            )
        ):
            result = newer
            since = newer.disk
            yield from _wait(self._timings.config_quiet_seconds)
        return result

    def _publish(self, result: ReadResult) -> Steps[None]:
        """Publish a valid configuration, or its problems."""
        before = self._known
        is_requested = self._asked
        self._asked = False
        problems = result.problems
        good = result.good
        is_new = good is not None and good.key != before.key
        obstacle = (yield from self._find_obstacle(good)) if good is not None and is_new else None
        state = replace(before, restart=result.restart, held=obstacle)
        if good is not None and is_new and obstacle is None:
            try:
                yield from self._remember(good)
                state = replace(
                    state, hash=good.hash, key=good.key, parts=good.parts, since=time.time()
                )
            except BridgeError as error:
                problems = (f"cannot store the configuration in the database: {error}",)
        since = (
            (before.error_since if before.error == problems else time.time()) if problems else None
        )
        self._known = replace(state, error=problems, error_since=since)
        if self._known != before:
            self._board.write(self._known)
        self._log_change(before, good, is_requested=is_requested)
        self._checked = None if good is not None and problems else result.disk

    def _find_obstacle(self, good: WatchedConfig) -> Steps[str | None]:
        """Return why a valid configuration is not used. One that cannot be tested is not used."""
        try:
            return (yield from self._find_losses(good))
        except BridgeError as error:
            return f"the test on stored events failed: {error}"

    def _log_change(
        self, was: ConfigState, good: WatchedConfig | None, *, is_requested: bool
    ) -> None:
        """Log one line for a change; only this process logs it."""
        state = self._known
        if state.restart and state.restart != was.restart:
            log.warning("restart_needed", settings=state.restart)
        if state.error:
            if state.error != was.error or is_requested:
                log.error("config_invalid", problems=state.error, kept=state.hash)
        elif state.held is not None:
            if state.held != was.held or is_requested:
                log.error("config_held", reason=state.held, used=state.hash)
        elif state.key != was.key and good is not None:
            log.info(
                "config_reloaded",
                hash=state.hash,
                was=was.hash,
                sources=good.sources,
                routes=good.routes,
                valid_again=bool(was.error),
            )
            warn_of_missing(good.missing)
        elif was.error or was.held:
            log.info("config_valid", hash=state.hash)
        elif is_requested:
            log.info("config_unchanged", hash=state.hash)


def call_in_steps(
    work: Callable[[], T],
    seconds: float,
    step: float = CALL_POLL_SECONDS,
    is_unwanted: Callable[[], bool] = lambda: False,
) -> Steps[T]:
    """Call `work` as `call_in_fork` does, in steps, with a low priority.

    The call ends with BridgeError as soon as it `is_unwanted`.
    """
    call = begin_in_fork(partial(_call_apart, work), seconds)
    try:
        while not call.poll():
            yield step
            if is_unwanted():
                call.expire()
                step = CALL_POLL_SECONDS
        return call.wait()
    finally:
        call.kill()  # if the reader is closed meanwhile


def _call_apart(work: Callable[[], T]) -> T:
    # sent to the whole process group, meant for the others: the reader ends what it has begun
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    release_listening_sockets()  # a process that hangs would keep their addresses
    lower_priority(NICENESS)
    return work()


def _wait(seconds: float) -> Generator[float, None, None]:
    """Take steps until so many seconds have passed, however early the next one is asked for."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        yield left


def watch_files(disk: FileTracker, interval: float) -> None:
    """Return when a file is no longer as it was read."""
    while not disk.has_changed():
        report_alive()
        time.sleep(interval)


def read_if_changed(settings: Settings, since: FileTracker | None) -> ReadResult | None:
    """Read the configuration, unless no file has changed `since` then."""
    if since is not None and not since.has_changed():
        return None
    return read_files(settings)


def read_files(settings: Settings) -> ReadResult:
    """Read the configuration now, and check that processes could start with it."""
    disk = FileTracker(again=True)
    restart = tuple[str, ...]()
    try:
        environ = merge_dotenv(settings.own, read_dotenv(settings, disk))
        restart = _to_restart(settings.environ, environ)
        reading = read(settings.config, environ, disk, strict_secrets=False)
        if reading.config is None:
            wrong = [str(problem) for problem in reading.problems if problem.level == "error"]
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
        is_requested = self._board.wake.wait(0.0)
        if is_requested or time.monotonic() >= self._due:
            self.poll(is_requested=is_requested)

    def poll(self, *, is_requested: bool = False) -> float:
        """Take the next step, and return the seconds until the one after it.

        A failure is logged, and the files are read again: the process has other work to do.
        """
        try:
            wait = self._reader.poll(is_requested=is_requested)
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
