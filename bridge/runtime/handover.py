"""Handover: start a replacement process with the same command and sockets beside this one.

The replacement writes a byte to a pipe when it is ready, and then this process may end. systemd
receives the new main process id, so a newly installed version takes over without downtime.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from bridge.runtime import systemd
from bridge.system.logs import get_logger

log = get_logger()

_MIN_MOVED_FD: Final = 100  # descriptors move above this, so that none replaces another


class Replacement:
    """A replacement process. `pid`: its process id."""

    def __init__(self, pid: int, ready_read: int) -> None:
        self.pid = pid
        self._ready_read = ready_read
        self._is_ready = False

    @classmethod
    def begin(cls, sockets: Sequence[socket.socket], environ: Mapping[str, str]) -> Replacement:
        """Start this process's own command in its first environment, with the listening `sockets`.

        The replacement is not a child of this process: systemd waits for the end of a main process
        only if it is systemd's own child, and otherwise kills it at once when the service stops.
        Raises OSError where no process can be created.
        """
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        pid_read, pid_write = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            with suppress(OSError):
                pid = os.fork()
                if pid == 0:
                    _exec_replacement([sock.fileno() for sock in sockets], ready_write, environ)
                os.write(pid_write, str(pid).encode())
            os._exit(0)
        os.close(ready_write)
        os.close(pid_write)
        os.waitpid(between, 0)
        os.set_blocking(ready_read, False)
        with open(pid_read, "rb") as file:  # noqa: PTH123 - it is an open pipe
            text = file.read()
        if not text:
            os.close(ready_read)
            raise OSError("cannot create a process")
        return cls(int(text), ready_read)

    def poll(self) -> bool | None:
        """Return True when it is ready, False if it ended before, else None. Never waits."""
        if self._is_ready:
            return True
        try:
            self._is_ready = bool(os.read(self._ready_read, 1))
        except BlockingIOError:
            return None
        os.close(self._ready_read)
        return self._is_ready


def _exec_replacement(
    sockets: Sequence[int], ready_write: int, environ: Mapping[str, str]
) -> NoReturn:
    """Replace this forked process with the command of its parent."""
    try:
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, signal.SIG_DFL)
        moved = [
            fcntl.fcntl(original, fcntl.F_DUPFD_CLOEXEC, _MIN_MOVED_FD)
            for original in (*sockets, ready_write)
        ]
        for descriptor in sockets:
            os.close(descriptor)
        for number, descriptor in enumerate(moved, systemd.FIRST_FD):
            os.dup2(descriptor, number)
        environ = {**environ, **systemd.handover_environ(len(sockets))}
        command = _command()
        os.execve(command[0], command, environ)  # noqa: S606 - its own command, no shell
    except BaseException as error:
        log.error("replacement_exec_failed", error=str(error))
    os._exit(1)


def _command() -> list[str]:
    """Return this process's own command: the program, which keeps its name, or the interpreter."""
    program = sys.argv[0]
    arguments = sys.orig_argv[1:]
    if arguments[:1] == [program] and Path(program).is_absolute() and os.access(program, os.X_OK):
        return arguments
    return [sys.executable, *arguments]
