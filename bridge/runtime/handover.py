"""A process that takes over from this one: the same command with the same sockets, begun beside it,
so that nobody waits for its start.

It says that it is ready by a byte in a pipe, and then this one may end. systemd is told which
process the service is from then on, so the new version of a program that was installed meanwhile
takes over without a stop of the service.
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

_MIN_MOVED_FD: Final = 100  # no descriptor of those that are handed over is moved over another


class Successor:
    """A process that was begun to take over. `pid`: its id."""

    def __init__(self, pid: int, said: int) -> None:
        self.pid = pid
        self._said = said
        self._is_ready = False

    @classmethod
    def begin(cls, sockets: Sequence[socket.socket], environ: Mapping[str, str]) -> Successor:
        """Begin it: this process's own command in the environment that it was begun in, with the
        listening `sockets`.

        It is no child of this process: systemd waits for the end of a service's first process only
        where that is its own child, else it kills it at once when it stops the service. OSError
        where no process can be made.
        """
        said, says = os.pipe2(os.O_CLOEXEC)
        number, numbers = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            with suppress(OSError):
                pid = os.fork()
                if pid == 0:
                    _exec_replacement([sock.fileno() for sock in sockets], says, environ)
                os.write(numbers, str(pid).encode())
            os._exit(0)
        os.close(says)
        os.close(numbers)
        os.waitpid(between, 0)
        os.set_blocking(said, False)
        with open(number, "rb") as file:  # noqa: PTH123 - it is an open pipe
            told = file.read()
        if not told:
            os.close(said)
            raise OSError("no process can be made")
        return cls(int(told), said)

    def look(self) -> bool | None:
        """Return True once it is ready, False where it has ended before, None while neither is
        known. Never waits.
        """
        if self._is_ready:
            return True
        try:
            self._is_ready = bool(os.read(self._said, 1))
        except BlockingIOError:
            return None
        os.close(self._said)
        return self._is_ready


def _exec_replacement(sockets: Sequence[int], says: int, environ: Mapping[str, str]) -> NoReturn:
    """Replace this process, which was just forked, by the command that its parent is."""
    try:
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, signal.SIG_DFL)
        moved = [
            fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _MIN_MOVED_FD) for each in (*sockets, says)
        ]
        for each in sockets:
            os.close(each)
        for number, each in enumerate(moved, systemd.FIRST_FD):
            os.dup2(each, number)
        environ = {**environ, **systemd.handover_environ(len(sockets))}
        command = _command()
        os.execve(command[0], command, environ)  # noqa: S606 - its own command, no shell
    except BaseException as error:
        log.error("successor_not_begun", error=str(error))
    os._exit(1)


def _command() -> list[str]:
    """Return this process's own command: the program where it is one, so that it keeps its name,
    else the interpreter and its arguments.
    """
    program = sys.argv[0]
    given = sys.orig_argv[1:]
    if given[:1] == [program] and Path(program).is_absolute() and os.access(program, os.X_OK):
        return given
    return [sys.executable, *given]
