"""The reader process: runs the reloader beside a process that has no supervisor."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing, suppress
from types import FrameType

from bridge.config.settings import Settings
from bridge.runtime.loaded_config import LoadedConfig
from bridge.runtime.reload.reloader import Reloader
from bridge.runtime.reload.shared_config import SharedConfig
from bridge.system.linux_process import die_with_parent, release_listening_sockets
from bridge.system.logs import get_logger
from bridge.system.shared_memory import freeze_memory

log = get_logger()


def start(settings: Settings, board: SharedConfig, loaded: LoadedConfig) -> None:
    """Fork the reader process. It ends when this process ends, not when a process forked later
    ends.

    Freeze the memory that this process shares with its children: no supervisor has done so.
    """
    freeze_memory()
    parent = os.getpid()
    sys.stderr.flush()
    if os.fork() == 0:
        code = 1
        try:
            signal.set_wakeup_fd(-1)  # else its signals would reach an event loop of the parent
            die_with_parent()
            if os.getppid() == parent:
                release_listening_sockets()
                _reload_forever(Reloader(settings, board, loaded, parent), board)
            code = 0
        except BaseException as error:
            log.error("process_failed", exc_info=error)
        finally:
            os._exit(code)


def _reload_forever(reloader: Reloader, board: SharedConfig) -> None:
    """Run the reloader until SIGTERM."""

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # systemd and the parent may both send it
        raise SystemExit

    # sent to the whole process group, meant for the others
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    is_requested = False
    # safe at any time: no other process sees partial work
    with suppress(SystemExit), closing(reloader):
        signal.signal(signal.SIGTERM, end)
        while True:
            is_requested = board.wake.wait(reloader.poll(is_requested=is_requested))
