"""The reader process: reload the configuration, and report to `flowbridge status`."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any, Final

from bridge import __version__
from bridge.config.loader import rebuild
from bridge.config.settings import Settings
from bridge.monitoring.presence import Presence
from bridge.runtime.loaded_config import LoadedConfig
from bridge.runtime.reload.shared_config import SharedConfig, describe
from bridge.runtime.reload.watcher import ConfigReader, WatchedConfig
from bridge.store.db.database import Database
from bridge.store.queries import configs
from bridge.system.forked_call import call_in_fork
from bridge.system.linux_process import die_with_parent, release_listening_sockets
from bridge.system.logs import get_logger
from bridge.system.priority import lower_priority
from bridge.system.shared_memory import freeze_memory

log = get_logger()

READER_ROLE: Final = "reload"
NICENESS: Final = 10  # reading files is less urgent than answering requests
STORE_TIMEOUT_SECONDS: Final = 60.0  # to store a configuration
TEST_TIMEOUT_SECONDS: Final = 60.0  # to test one on stored events


def start(settings: Settings, board: SharedConfig, loaded: LoadedConfig) -> int:
    """Fork the reader process, and return its id. It ends when this process ends, not when a
    process forked later ends.

    Freeze the memory that this process shares with its children: no supervisor has done so.
    """
    freeze_memory()
    parent = os.getpid()
    sys.stderr.flush()
    reader = os.fork()
    if reader == 0:
        code = 1
        try:
            signal.set_wakeup_fd(-1)  # else its signals would reach an event loop of the parent
            die_with_parent()
            if os.getppid() == parent:
                read_forever(settings, board, loaded, parent)
            code = 0
        except BaseException as error:
            log.error("process_failed", exc_info=error)
        finally:
            os._exit(code)
    return reader


def read_forever(settings: Settings, board: SharedConfig, loaded: LoadedConfig, top: int) -> None:
    """Run the reader until SIGTERM.

    `top`: the first process of the bridge. `loaded`: the configuration that it started with.
    """
    release_listening_sockets()
    presence = _presence(settings)

    def end(_number: int, _frame: FrameType | None) -> None:
        if presence is not None:
            presence.close()
        os._exit(0)  # safe at any time: no other process sees partial work

    signal.signal(signal.SIGTERM, end)
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
    ):  # sent to the whole process group, meant for the others
        signal.signal(number, signal.SIG_IGN)
    lower_priority(NICENESS)
    board.register(READER_ROLE, board.read().hash)

    def remember(good: WatchedConfig) -> None:
        call_in_fork(lambda: _remember(settings, good), STORE_TIMEOUT_SECONDS)

    def find_losses(good: WatchedConfig) -> str | None:
        if settings.reload_test is None:
            return None
        used = board.read().hash
        return call_in_fork(lambda: _find_losses(settings, used, good), TEST_TIMEOUT_SECONDS)

    reader = ConfigReader(settings, board, loaded.disk, remember, find_losses)
    asked = False
    while True:
        wait = reader.poll(asked=asked)
        board.write_hash(board.read().hash)
        if presence is not None:
            presence.publish(_presence_report(settings, board, top))
        asked = board.wake.wait(wait)


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


def _presence(settings: Settings) -> Presence | None:
    try:
        return Presence(settings.data)
    except OSError as error:  # receivers on PostgreSQL work without it
        log.warning("presence_unavailable", folder=str(settings.data), error=error.strerror)
        return None


def _presence_report(settings: Settings, board: SharedConfig, top: int) -> dict[str, Any]:
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
